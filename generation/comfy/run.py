"""One prompt's life as a state machine: frames and answers in, verdict out. Pure.

    SUBMITTED ─▶ PENDING ─▶ RUNNING ─▶ SUCCEEDED, FAILED or INTERRUPTED
                                 └───▶ FORGOTTEN (the server was restarted)

Frames (`receive`) make it fast, `/queue` and `/history` (`reconcile`) make it right.
A frame that says "over" sets `ending`: the caller then asks for the history, which
alone ends the run, since a frame with outputs may have been missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from generation.comfy import messages as m
from generation.comfy.answers import HistoryEntry, Queue
from generation.comfy.graph import title


class Phase(Enum):
    SUBMITTED = "submitted"
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    FORGOTTEN = "forgotten"


FINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Output:
    """One file or text that a node put out; (node, kind, index) names it."""

    node: str
    kind: str
    index: int
    filename: str = ""
    subfolder: str = ""
    type: str = ""
    text: str | None = None
    animated: bool = False


@dataclass(frozen=True, slots=True)
class RunError:
    node_id: str
    node_type: str
    exception_type: str
    message: str
    traceback: tuple[str, ...]

    @property
    def out_of_memory(self) -> bool:
        where = f"{self.exception_type} {self.message}".lower()
        return "outofmemory" in where or "out of memory" in where


@dataclass(frozen=True, slots=True)
class RunProgress:
    """`fraction` runs over all nodes of the graph; `node` is what a person calls it."""

    fraction: float = 0.0
    node_id: str | None = None
    node: str | None = None
    step: int | None = None
    steps: int | None = None


class Run:
    """Follows one prompt. `graph` is in API format and gives titles and the total.

    `shown` is what a page was told of it before, by whoever followed it until now.
    """

    def __init__(
        self, prompt_id: str, graph: Mapping[str, Any], shown: RunProgress | None = None
    ) -> None:
        self.prompt_id = prompt_id
        self.phase = Phase.SUBMITTED
        self.progress = shown or RunProgress()
        self.error: RunError | None = None
        self.ending = False
        self._graph = graph
        self._outputs: dict[str, Mapping[str, Any]] = {}
        # Share done, by the id of the node in our graph: nodes of a subgraph that is
        # expanded while it runs count for the node that a person knows.
        self._done: dict[str, float] = {}
        self._said: Phase | None = None
        # `executing` null: over, but not how. Only counts if nothing else is said.
        self.idle = False

    @property
    def ended(self) -> bool:
        return self.phase in FINAL

    @property
    def outputs(self) -> tuple[Output, ...]:
        """In the graph's order of nodes, then by kind and index."""
        return flatten(self._outputs, self._graph)

    # Frames -------------------------------------------------------------------

    def receive(self, message: m.Message, *, sole: bool = False) -> bool:
        """Take one frame; True if something that a page shows has changed.

        Frames of other prompts are ignored, those that name none as well unless
        `sole` says that only this prompt runs where the frame came from.
        """
        if self.ended or not self._is_ours(message, sole):
            return False
        before = (self.phase, self.progress)
        self._take(message)
        return (self.phase, self.progress) != before

    def _is_ours(self, message: m.Message, sole: bool) -> bool:
        named = getattr(message, "prompt_id", None)
        if named is None:
            return sole and isinstance(message, m.Executing | m.Progress)
        return bool(named == self.prompt_id)

    def _take(self, message: m.Message) -> None:
        match message:
            case m.ExecutionStart():
                self._runs()
            case m.ExecutionCached(nodes=nodes):
                self._runs()
                self._done.update(dict.fromkeys(nodes, 1.0))
                self._show()
            case m.Executing(node=None):
                # PROTOCOL.md: for old servers this alone is the end.
                self.idle = True
                self._ends(None)
            case m.Executing(node=node, display_node=display):
                self._runs()
                self._begin(display or node or "")
            case m.ProgressState(nodes=nodes):
                self._runs()
                self._progress_state(nodes)
            case m.Progress(node=node, value=value, max=maximum):
                self._runs()
                self._step(node or self.progress.node_id, value, maximum)
            case m.Executed(node=node, output=output):
                self._runs()
                self._outputs[node] = output
                self._done[message.display_node] = 1.0
                self._show()
            case m.ExecutionSuccess():
                self._ends(Phase.SUCCEEDED)
            case m.ExecutionError():
                self.error = _error(message)
                self._ends(Phase.FAILED)
            case m.ExecutionInterrupted():
                self._ends(Phase.INTERRUPTED)

    def _runs(self) -> None:
        if self.phase in (Phase.SUBMITTED, Phase.PENDING, Phase.FORGOTTEN):
            self.phase = Phase.RUNNING

    def _ends(self, said: Phase | None) -> None:
        self._runs()
        self.ending = True
        self._said = self._said or said

    # Progress -----------------------------------------------------------------

    def _begin(self, node: str) -> None:
        """Old servers only say which node begins: those before it are done."""
        current = self.progress.node_id
        if current is not None and current != node:
            self._done[current] = 1.0
        self._done.setdefault(node, 0.0)
        self._show(node)

    def _progress_state(self, nodes: Mapping[str, m.NodeProgress]) -> None:
        shares: dict[str, list[float]] = {}
        running: m.NodeProgress | None = None
        for node in nodes.values():
            share = 1.0 if node.state == "finished" else _share(node.value, node.max)
            shares.setdefault(node.display_node_id, []).append(share)
            if node.state == "running":
                running = node
        for node_id, parts in shares.items():
            self._raise(node_id, sum(parts) / len(parts))
        if running is None:
            self._show()
        elif running.max > 1:
            self._step(running.display_node_id, running.value, running.max)
        else:
            self._show(running.display_node_id)

    def _step(self, node: str | None, value: float, maximum: float) -> None:
        if node is None:
            return
        self._raise(node, _share(value, maximum))
        self._show(node, int(value), int(maximum))

    def _raise(self, node: str, share: float) -> None:
        self._done[node] = max(self._done.get(node, 0.0), share)

    def _show(
        self, node: str | None = None, step: int | None = None, steps: int | None = None
    ) -> None:
        """Set the visible progress; it never goes back and is whole only at the end."""
        total = len(self._graph) or 1
        done = sum(self._done.get(node_id, 0.0) for node_id in self._graph)
        fraction = max(self.progress.fraction, min(done / total, 0.99))
        if node is None:
            node = self.progress.node_id
            step, steps = self.progress.step, self.progress.steps
        elif step is None and node == self.progress.node_id:
            step, steps = self.progress.step, self.progress.steps
        name = title(self._graph, node) if node is not None else None
        self.progress = RunProgress(round(fraction, 4), node, name, step, steps)

    # Truth --------------------------------------------------------------------

    def reconcile(self, queue: Queue, history: HistoryEntry | None) -> Phase:
        """Take what the server says of itself; its history is final."""
        if self.ended:
            return self.phase
        if history is not None:
            self._conclude(history)
        elif self.prompt_id in queue.running:
            self._goes_on(Phase.RUNNING)
        elif self.prompt_id in queue.pending:
            self._goes_on(Phase.PENDING)
        elif self._said is not None or self.idle:
            # Restarted right after the end: the files are on its disk, so the
            # frames' verdict stands and nothing is run twice.
            self._finish(self._said or Phase.SUCCEEDED)
        else:
            self.phase = Phase.FORGOTTEN
        return self.phase

    def _goes_on(self, phase: Phase) -> None:
        self.phase = phase
        if self._said is None:
            # The server sends `executing` null when it has written the history. So
            # if it still lists the prompt, the frame was about another one.
            self.idle = self.ending = False

    def _conclude(self, history: HistoryEntry) -> None:
        self._outputs = {str(k): v for k, v in history.outputs.items()}
        if history.status == "success":
            self.error = None
            self._finish(Phase.SUCCEEDED)
            return
        phase = Phase.FAILED
        unsaid = RunError("", "", "", "The run failed without saying why.", ())
        self.error = self.error or unsaid
        for kind, data in history.messages:
            message = m.parse_event(kind, dict(data))
            if isinstance(message, m.ExecutionInterrupted):
                phase, self.error = Phase.INTERRUPTED, None
            elif isinstance(message, m.ExecutionError):
                self.error = _error(message)
        self._finish(phase)

    def _finish(self, phase: Phase) -> None:
        self.phase = phase
        self.ending = True
        if phase == Phase.SUCCEEDED:
            self.progress = RunProgress(fraction=1.0)


def _share(value: float, maximum: float) -> float:
    return min(max(value / maximum, 0.0), 1.0) if maximum > 0 else 0.0


def _error(message: m.ExecutionError) -> RunError:
    return RunError(
        node_id=message.node_id,
        node_type=message.node_type,
        exception_type=message.exception_type,
        message=message.exception_message,
        traceback=message.traceback,
    )


# Outputs --------------------------------------------------------------------------


def flatten(outputs: Mapping[str, Any], graph: Mapping[str, Any]) -> tuple[Output, ...]:
    """`outputs[node][kind]` lists as a flat tuple; flags such as `animated` apart."""
    order = {node: index for index, node in enumerate(graph)}
    nodes = sorted(outputs, key=lambda node: (order.get(node, len(order)), node))
    found: list[Output] = []
    for node in nodes:
        kinds = outputs[node]
        if not isinstance(kinds, Mapping):
            continue
        animated = kinds.get("animated")
        moves = bool(isinstance(animated, list | tuple) and any(animated))
        for kind, items in kinds.items():
            if kind != "animated" and isinstance(items, list | tuple):
                found += _items(node, kind, items, moves)
    return tuple(found)


def _items(
    node: str, kind: str, items: Iterable[object], animated: bool
) -> list[Output]:
    found = []
    for index, item in enumerate(items):
        if isinstance(item, str):
            found.append(Output(node, kind, index, text=item))
        elif isinstance(item, Mapping) and isinstance(item.get("filename"), str):
            output = Output(
                node,
                kind,
                index,
                filename=item["filename"],
                subfolder=str(item.get("subfolder") or ""),
                type=str(item.get("type") or "output"),
                animated=animated and kind == "images",
            )
            found.append(output)
    return found


def results(outputs: Iterable[Output]) -> tuple[Output, ...]:
    """Without the previews (`temp`), if the run has real results as well."""
    every = tuple(outputs)
    kept = tuple(output for output in every if output.type != "temp")
    return kept if any(output.filename for output in kept) else every
