"""The queue, the history, and both of them seen as ``/api/jobs``."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from dataclasses import dataclass, field
from typing import Any

from generation.simulator.validation import Graph

HISTORY_LIMIT = 10_000
Message = list[Any]
ENDINGS = ("execution_success", "execution_error", "execution_interrupted")


def now_ms() -> int:
    """Milliseconds since 1970, as ComfyUI stamps its messages."""
    return int(time.time() * 1000)


@dataclass(eq=False)
class Item:
    """One prompt that was accepted."""

    number: float
    prompt_id: str
    graph: Graph
    extra_data: dict[str, Any]
    outputs: list[str]

    def as_json(self) -> list[Any]:
        """The five fields that ``/queue`` and ``/history`` show."""
        fields = [self.number, self.prompt_id, self.graph, self.extra_data]
        return [*fields, self.outputs]

    def as_job(self, status: str) -> dict[str, Any]:
        """This item as an unfinished job (``pending`` or ``in_progress``)."""
        return {
            "id": self.prompt_id,
            "status": status,
            "priority": self.number,
            "create_time": self.extra_data["create_time"],
            "outputs_count": 0,
        }

    def workflow(self) -> dict[str, Any]:
        """What the detailed form of a job adds."""
        return {"prompt": self.graph, "extra_data": self.extra_data}


@dataclass
class Result:
    """What is left of a run: its outputs by node and its messages."""

    item: Item
    outputs: dict[str, Any] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    success: bool = False

    def status(self) -> dict[str, Any]:
        return {
            "status_str": "success" if self.success else "error",
            "completed": self.success,
            "messages": self.messages,
        }

    def as_history(self) -> dict[str, Any]:
        """The entry under its prompt id in ``/history``."""
        return {
            "prompt": self.item.as_json(),
            "outputs": self.outputs,
            "status": self.status(),
            "meta": {node_id: _meta(node_id) for node_id in self.outputs},
        }

    def as_job(self) -> dict[str, Any]:
        """The entry of a finished run in ``/api/jobs``."""
        by_name: dict[str, dict[str, Any]] = {
            str(each[0]): each[1] for each in self.messages
        }
        endings = [by_name[name] for name in ENDINGS if name in by_name]
        interrupted = "execution_interrupted" in by_name
        failed = "cancelled" if interrupted else "failed"
        files = [
            {**file, "nodeId": node_id, "mediaType": kind}
            for node_id, output in self.outputs.items()
            for kind, files in output.items()
            for file in files
        ]
        saved = [file for file in files if file["type"] == "output"]
        job = {
            **self.item.as_job("completed" if self.success else failed),
            "execution_start_time": by_name["execution_start"]["timestamp"],
            "execution_end_time": endings[0]["timestamp"] if endings else None,
            "execution_error": by_name.get("execution_error"),
            "outputs_count": len(files),
            "preview_output": next(iter([*saved, *files]), None),
        }
        return {name: value for name, value in job.items() if value is not None}

    def as_detailed_job(self) -> dict[str, Any]:
        return {
            **self.as_job(),
            "outputs": self.outputs,
            "execution_status": self.status(),
            "workflow": self.item.workflow(),
        }


def _meta(node_id: str) -> dict[str, Any]:
    return {
        "node_id": node_id,
        "display_node": node_id,
        "parent_node": None,
        "real_node_id": node_id,
    }


class JobQueue:
    """Pending prompts by number, the running one, and what became of the others."""

    def __init__(self) -> None:
        self.running: Item | None = None
        self.history: dict[str, Result] = {}
        self._pending: list[tuple[float, int, Item]] = []
        self._tie = itertools.count()
        self._filled = asyncio.Event()
        self.next_number = 0

    def put(self, item: Item) -> None:
        heapq.heappush(self._pending, (item.number, next(self._tie), item))
        self._filled.set()

    async def get(self) -> Item:
        """Wait for the first pending prompt and make it the running one."""
        while not self._pending:
            self._filled.clear()
            await self._filled.wait()
        self.running = heapq.heappop(self._pending)[2]
        return self.running

    def finish(self, result: Result) -> None:
        """Put the running prompt into the history."""
        self.running = None
        # A second run of the same id replaces the first, and counts as newest.
        self.history.pop(result.item.prompt_id, None)
        self.history[result.item.prompt_id] = result
        while len(self.history) > HISTORY_LIMIT:
            del self.history[next(iter(self.history))]

    @property
    def pending(self) -> list[Item]:
        return [item for _, _, item in sorted(self._pending, key=lambda e: e[:2])]

    @property
    def remaining(self) -> int:
        """Pending and running prompts together, as ``queue_remaining`` counts."""
        return len(self._pending) + (self.running is not None)

    def delete(self, prompt_id: str) -> bool:
        """Take every pending prompt of this id out; say whether there was one."""
        kept = [entry for entry in self._pending if entry[2].prompt_id != prompt_id]
        found = len(kept) < len(self._pending)
        self._pending = kept
        heapq.heapify(self._pending)
        return found

    def clear(self) -> None:
        self._pending = []

    def is_running(self, prompt_id: str) -> bool:
        return self.running is not None and self.running.prompt_id == prompt_id

    def job(self, prompt_id: str) -> dict[str, Any] | None:
        """One job in full, None if the id is unknown."""
        if prompt_id in self.history:
            return self.history[prompt_id].as_detailed_job()
        for item, status in self._unfinished():
            if item.prompt_id == prompt_id:
                return {**item.as_job(status), "workflow": item.workflow()}
        return None

    def jobs(self, statuses: set[str] | None = None) -> list[dict[str, Any]]:
        """All jobs, the newest first."""
        jobs = [item.as_job(status) for item, status in self._unfinished()]
        jobs += [result.as_job() for result in self.history.values()]
        jobs.sort(key=lambda job: (job["create_time"], job["priority"]), reverse=True)
        return [job for job in jobs if statuses is None or job["status"] in statuses]

    def _unfinished(self) -> list[tuple[Item, str]]:
        running = [(self.running, "in_progress")] if self.running else []
        return [*running, *((item, "pending") for item in self.pending)]
