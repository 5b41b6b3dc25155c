"""Runs prompts one after another and tells about it as ComfyUI does."""

from __future__ import annotations

import asyncio
import random
import string
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from generation.simulator import nodes, outputs, pictures
from generation.simulator.faults import Faults
from generation.simulator.files import FileStore
from generation.simulator.frames import Frames
from generation.simulator.jobs import Item, JobQueue, Result, now_ms
from generation.simulator.order import ExecutionOrder, signatures
from generation.simulator.validation import is_link

OUT_OF_MEMORY = (
    "Allocation on device 0 would exceed allowed memory. (out of memory)\n"
    "Currently allocated     : 7.41 GiB\nRequested               : 1.13 GiB\n"
)
OUT_OF_MEMORY_TIPS = (
    "This error means you ran out of memory on your GPU.\n\nTIPS: If the workflow "
    "worked before you might have accidentally set the batch_size to a large number."
)


class InterruptedRunError(Exception):
    """Somebody asked for the running prompt to stop."""


class SimulatedOutOfMemoryError(Exception):
    """Stands for ``torch.OutOfMemoryError``."""


@dataclass
class Execution:
    """One start of a prompt, for tests that ask how often it really ran.

    ``start`` and ``end`` are seconds since 1970; ``end`` is None meanwhile.
    """

    prompt_id: str
    start: float
    end: float | None = None


@dataclass
class Ledger:
    """What was executed since the simulator began; survives simulated restarts."""

    counts: Counter[str] = field(default_factory=Counter)
    runs: list[Execution] = field(default_factory=list)

    def begin(self, prompt_id: str) -> Execution:
        self.counts[prompt_id] += 1
        self.runs.append(Execution(prompt_id, time.time()))
        return self.runs[-1]


@dataclass(frozen=True)
class Cached:
    """Values and shown outputs of a node that ran before."""

    values: tuple[Any, ...] = ()
    shown: dict[str, Any] | None = None


class Executor:
    """The worker of a server, with the node cache of its last prompt."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        frames: Frames,
        files: FileStore,
        faults: Faults,
        ledger: Ledger,
        speed: float,
        modern: bool,
        previews: bool,
    ) -> None:
        self.queue = queue
        self.frames = frames
        self.files = files
        self.faults = faults
        self.ledger = ledger
        self.speed = speed
        self.modern = modern
        self.previews = previews
        self.cache: dict[str, Cached] = {}
        self.loaded: str | None = None
        self._interrupt = asyncio.Event()
        letters = random.choices(string.ascii_lowercase, k=5)
        self.temp_suffix = "".join(letters)

    async def run_forever(self) -> None:
        """Take prompts from the queue, until cancelled."""
        while True:
            item = await self.queue.get()
            self._interrupt.clear()
            self.frames.post_status()
            result = await Run(self, item).execute()
            self.queue.finish(result)
            self.frames.post_status()
            client_id = item.extra_data.get("client_id")
            if client_id is not None:
                data = {"node": None, "prompt_id": item.prompt_id}
                self.frames.post("executing", data, client_id)

    def interrupt(self) -> None:
        """Stop whatever runs at its next step."""
        self._interrupt.set()

    def free(self, *, models: bool, memory: bool) -> None:
        """Forget the loaded checkpoint and, with ``memory``, the node cache."""
        if models or memory:
            self.loaded = None
        if memory:
            self.cache.clear()

    async def pause(self, seconds: float) -> None:
        """Let simulated time pass. Raises InterruptedRunError when interrupted."""
        wait = seconds / self.speed if self.speed else 0.0
        await self._wait(wait)

    async def hang(self) -> None:
        """Never return; only an interrupt ends this."""
        await self._wait(None)

    async def _wait(self, seconds: float | None) -> None:
        if seconds == 0.0:
            # No time passes, but requests that are already here get their turn.
            await asyncio.sleep(0)
        else:
            try:
                async with asyncio.timeout(seconds):
                    await self._interrupt.wait()
            except TimeoutError:
                return
        if self._interrupt.is_set():
            raise InterruptedRunError


class Run:
    """One execution of one prompt."""

    def __init__(self, executor: Executor, item: Item) -> None:
        self.executor = executor
        self.item = item
        self.graph = item.graph
        self.prompt_id = item.prompt_id
        self.client_id: str | None = item.extra_data.get("client_id")
        self.result = Result(item)
        self.progress: dict[str, dict[str, Any]] = {}
        self.executed: list[str] = []
        self.signatures = signatures(self.graph, self._changed)
        self.node_id = ""

    def _changed(self, node: dict[str, Any]) -> str:
        if node["class_type"] != "LoadImage":
            return ""
        return self.executor.files.input_digest(str(node["inputs"]["image"]))

    async def execute(self) -> Result:
        """Run to the end, whatever it is, and return what ``/history`` keeps."""
        executor, frames = self.executor, self.executor.frames
        entry = executor.ledger.begin(self.prompt_id)
        frames.client_id = self.client_id
        self._message("execution_start", {"prompt_id": self.prompt_id})
        known = set(self.signatures.values())
        executor.cache = {k: v for k, v in executor.cache.items() if k in known}
        cached = [n for n in self.graph if self.signatures[n] in executor.cache]
        data = {"nodes": cached, "prompt_id": self.prompt_id}
        self._message("execution_cached", data)
        try:
            await self._run_nodes(set(cached))
        except InterruptedRunError:
            self._interrupted()
        except Exception as error:
            self._failed(error)
        else:
            self.result.success = True
            self._message("execution_success", {"prompt_id": self.prompt_id})
        frames.last_node = None
        entry.end = time.time()
        return self.result

    async def _run_nodes(self, cached: set[str]) -> None:
        fails = self.executor.faults.take_out_of_memory()
        order = ExecutionOrder(self.graph, self.item.outputs, cached)
        while (node_id := order.next()) is not None:
            self.node_id = node_id
            if node_id in cached:
                self._repeat(node_id)
            else:
                await self._run_node(node_id, fails)
            order.done(node_id)

    def _repeat(self, node_id: str) -> None:
        """Show a cached output node's files again."""
        shown = self.executor.cache[self.signatures[node_id]].shown
        self._executed(node_id, shown)
        self._progress(node_id, 1, 1, "finished")

    async def _run_node(self, node_id: str, fails: bool) -> None:
        node = self.graph[node_id]
        self._progress(node_id, 0.0, 1.0, "running")
        self.executor.frames.last_node = node_id
        self._send(
            "executing",
            {"node": node_id, "display_node": node_id, "prompt_id": self.prompt_id},
        )
        if self.executor.faults.hang:
            await self.executor.hang()
        if fails and (node["class_type"] in nodes.SAMPLERS or self._no_sampler()):
            raise SimulatedOutOfMemoryError(OUT_OF_MEMORY)
        await self.executor.pause(self._seconds(node))
        values, shown = await self._compute(node_id, node)
        self.executor.cache[self.signatures[node_id]] = Cached(values, shown)
        self.executed.append(node_id)
        if shown is not None:
            self._executed(node_id, shown)
        state = self.progress.get(node_id, {})
        largest = state.get("max", 1.0)
        self._progress(node_id, largest, largest, "finished")

    def _no_sampler(self) -> bool:
        return not any(n["class_type"] in nodes.SAMPLERS for n in self.graph.values())

    def _seconds(self, node: dict[str, Any]) -> float:
        match node["class_type"]:
            case "CheckpointLoaderSimple":
                name = node["inputs"]["ckpt_name"]
                loads = name != self.executor.loaded
                self.executor.loaded = name
                return nodes.LOAD_SECONDS if loads else 0.0
            case "VAEDecode" | "VAEEncode":
                return nodes.DECODE_SECONDS
        return 0.0

    def _inputs(self, node: dict[str, Any]) -> dict[str, Any]:
        inputs = {}
        for name, value in node["inputs"].items():
            if is_link(value):
                source = self.executor.cache[self.signatures[value[0]]]
                inputs[name] = source.values[value[1]]
            else:
                inputs[name] = value
        return inputs

    async def _compute(
        self, node_id: str, node: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any] | None]:
        """Return the node's values and what it shows (None unless an output)."""
        inputs, kind = self._inputs(node), node["class_type"]
        files = self.executor.files
        if kind in nodes.SAMPLERS:
            return (await self._sample(node_id, nodes.Sampling.of(inputs)),), None
        if kind in nodes.SAVERS:
            suffix = self.executor.temp_suffix
            shown = await asyncio.to_thread(
                nodes.save_images, files, kind, inputs, suffix, self._texts()
            )
            return (inputs["images"],), shown
        if kind in outputs.WRITERS:
            write = outputs.WRITERS[kind]
            shown = await asyncio.to_thread(write, files, inputs, self._texts())
            return (inputs[outputs.PASSED_ON[kind]],), shown
        if kind == "LoadImage":
            return await asyncio.to_thread(nodes.load_image, files, inputs), None
        return await asyncio.to_thread(nodes.COMPUTE[kind], inputs), None

    def _texts(self) -> dict[str, Any]:
        """What is written into files beside the pixels."""
        extra = self.item.extra_data.get("extra_pnginfo") or {}
        return {"prompt": self.graph, **extra}

    async def _sample(self, node_id: str, sampling: nodes.Sampling) -> nodes.Latent:
        """Draw the pictures, then reveal them step by step."""
        drawn = await asyncio.to_thread(sampling.draw)
        small = None
        if self.executor.previews and self.executor.frames.hears(self.client_id):
            small = await asyncio.to_thread(pictures.shrink, drawn.images[0])
        for step in range(1, sampling.steps + 1):
            await self.executor.pause(nodes.STEP_SECONDS)
            self._progress(node_id, step, sampling.steps, "running")
            progress = {
                "value": step,
                "max": sampling.steps,
                "prompt_id": self.prompt_id,
                "node": node_id,
            }
            if not self.executor.modern:
                self._send("progress", progress)
            if small is not None:
                noise = nodes.loudness(step, sampling.steps)
                jpeg = await asyncio.to_thread(pictures.preview, small, noise, step)
                self._preview(node_id, jpeg)
            if self.executor.modern:
                self._send("progress", progress)
        return drawn

    def _preview(self, node_id: str, jpeg: bytes) -> None:
        if self.client_id is None:
            return
        metadata = {
            "node_id": node_id,
            "prompt_id": self.prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }
        self.executor.frames.post_preview(jpeg, metadata, self.client_id)

    def _executed(self, node_id: str, shown: dict[str, Any] | None) -> None:
        if shown is not None:
            self.result.outputs[node_id] = shown
        data = {
            "node": node_id,
            "display_node": node_id,
            "output": shown,
            "prompt_id": self.prompt_id,
        }
        self._send("executed", data)

    def _progress(self, node_id: str, value: float, largest: float, state: str) -> None:
        self.progress[node_id] = {
            "value": value,
            "max": largest,
            "state": state,
            "node_id": node_id,
            "prompt_id": self.prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }
        if self.executor.modern:
            data = {"prompt_id": self.prompt_id, "nodes": self.progress}
            self._send("progress_state", data)

    def _interrupted(self) -> None:
        data = {
            "prompt_id": self.prompt_id,
            "node_id": self.node_id,
            "node_type": self.graph[self.node_id]["class_type"],
            "executed": self.executed,
        }
        self._message("execution_interrupted", data)

    def _failed(self, error: Exception) -> None:
        node = self.graph[self.node_id]
        kind, text = type(error), str(error)
        name = f"{kind.__module__}.{kind.__name__}"
        if kind.__module__ == "builtins":
            name = kind.__name__
        tips = ""
        if isinstance(error, SimulatedOutOfMemoryError):
            name, tips = "torch.OutOfMemoryError", OUT_OF_MEMORY_TIPS
            self.executor.free(models=True, memory=False)
        inputs = {n: [_plain(v)] for n, v in self._inputs(node).items()}
        data = {
            "prompt_id": self.prompt_id,
            "node_id": self.node_id,
            "node_type": node["class_type"],
            "executed": self.executed,
            "exception_message": f"{text}\n{tips}",
            "exception_type": name,
            "traceback": traceback.format_tb(error.__traceback__),
            "current_inputs": inputs,
            "current_outputs": list(self.graph),
        }
        self._message("execution_error", data)

    def _message(self, kind: str, data: dict[str, Any]) -> None:
        """Send a stage of the run and keep it for the history."""
        if kind == "execution_success" and not self.executor.modern:
            return
        data = {**data, "timestamp": now_ms()}
        self.result.messages.append([kind, data])
        if self.client_id is not None or kind == "execution_interrupted":
            self.executor.frames.post(kind, data, self.client_id)

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        if self.client_id is not None:
            self.executor.frames.post(kind, data, self.client_id)


def _plain(value: Any) -> Any:
    """Values of ``current_inputs``: plain ones as they are, others described."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
