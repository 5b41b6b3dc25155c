"""One attempt, from its claim to its end.

The order that makes a crash harmless: the prompt_id is in the database before the
first call; whoever holds the attempt asks the server for it first, and posts only what
the server does not know. Frames from the socket only make things fast.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import InterfaceError, OperationalError

from generation import context
from generation.border import surely
from generation.bridge import inputs, ledger
from generation.bridge.reporter import Reporter
from generation.bridge.sockets import RECONNECTED, Inbox, Switchboard
from generation.comfy import messages
from generation.comfy.answers import Queue
from generation.comfy.errors import (
    ComfyError,
    NotConnected,
    PromptRejected,
    Unreachable,
)
from generation.comfy.run import Phase, Run, RunError, RunProgress, results
from generation.models import Attempt
from generation.scheduling import LEASE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from generation.comfy.answers import HistoryEntry
    from generation.comfy.client import ComfyClient
    from generation.scheduling import Claim

log = logging.getLogger(__name__)
T = TypeVar("T")

# Seconds of silence after which /queue and /history are asked.
WATCHDOG = 5.0
# Seconds without a frame of a running prompt after which the page says so.
STALLED_AFTER = 300.0
# Seconds without a frame of a running prompt after which the socket is not trusted.
DEAF_AFTER = 10.0
# The server writes the history a moment after it says how the run ended, and then says
# that it is idle, most often; so long is that waited for.
IDLE_WITHIN = 0.02
HISTORY_SOON = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
BACK_OFF = (0.5, 1.0, 2.0, 4.0, 8.0, 10.0)
# How long a cancelled job waits for a server that does not answer.
CANCEL_PATIENCE = 10.0
# A POST goes out only while the lease lasts at least this much longer: nobody else
# may adopt the attempt, look for the prompt and post it too while ours is on its way.
POST_MARGIN = 3.0


class Lost(Exception):
    """The server no longer knows a prompt that it had taken."""


class Released(Exception):
    """The server could not be reached before anything was sent to it."""


class Abandoned(Exception):
    """The owner cancelled, and no server can be asked about it."""


class TakenOver(Exception):
    """Another bridge holds the attempt now, or its row has ended."""


class Drive:
    """Drives one claimed attempt; `run()` returns when its row has ended.

    `lease_until` is in seconds of the loop's clock; the bridge moves it on with each
    renewal. `unreachable` is set when the server could not even be asked at first.
    """

    def __init__(
        self,
        claim: Claim,
        client: ComfyClient,
        switchboard: Switchboard,
        lease_until: float,
    ) -> None:
        self.claim = claim
        self.client = client
        self.switchboard = switchboard
        self.lease_until = lease_until
        self.unreachable = False
        self.prompt_id = str(claim.attempt.pk)
        self.state = Run(self.prompt_id, claim.job.graph, _shown(claim.job.progress))
        self.reporter = Reporter(claim.job)
        self.history: HistoryEntry | None = None
        self.cancel_requested = asyncio.Event()
        # Whether a POST may have reached the server: then only a look-up tells.
        # A bridge that died may have posted it and not come to say so.
        self.posted = claim.adopted
        # When the last frame came, or that it was about time for one.
        self.heard = asyncio.get_running_loop().time()
        self.frames = 0
        self.context = {"job": str(claim.job.pk), "server": claim.server.name}

    async def run(self) -> None:
        attempt = self.claim.attempt
        # This task is about nothing else, so it need not be taken back.
        context.job_id.set(str(self.claim.job.pk))
        async with self.switchboard.subscribe(
            self.claim.server, attempt.client_id, self.prompt_id
        ) as inbox:
            reporting = asyncio.create_task(self.reporter.run())
            try:
                await self._run(inbox)
            finally:
                reporting.cancel()
                with suppress(asyncio.CancelledError):
                    await reporting

    async def _run(self, inbox: Inbox) -> None:
        try:
            # A prompt that was just claimed is known to nobody yet.
            known = self.claim.adopted and await self._find()
            if not known and self.claim.attempt.state == Attempt.State.SUBMITTED:
                raise Lost("The server was restarted and has forgotten the job.")
            if not known:
                await self._place()
            if self.claim.attempt.state == Attempt.State.CLAIMED:
                await surely(ledger.submitted)(self.claim)
            await self._follow(inbox)
        except PromptRejected as exc:
            log.info("rejected: %s", exc, extra=self.context)
            await surely(ledger.rejected)(self.claim, exc)
        except Lost as exc:
            log.warning("lost: %s", exc, extra=self.context)
            await surely(ledger.lost)(self.claim, str(exc))
        except TakenOver:
            log.warning("somebody else drives it now", extra=self.context)
        except Released as exc:
            log.info("released: %s", exc, extra=self.context)
            self.unreachable = True
            await surely(ledger.released)(self.claim, str(exc))
        except Abandoned as exc:
            await surely(ledger.interrupted)(self.claim, str(exc), None)
        except ComfyError as exc:
            # Asking again does not help: an input picture is gone, or too large.
            log.warning("not to be sent: %s", exc, extra=self.context)
            error = RunError("", "", type(exc).__name__, str(exc), ())
            await surely(ledger.failed)(self.claim, error, None)
        except (OperationalError, InterfaceError):
            raise  # the database is away: the lease runs out, and it goes on then
        except Exception as exc:
            log.exception("a fault of ours", extra=self.context)
            await surely(ledger.broken)(self.claim, repr(exc))
        else:
            await self._finish()

    # Where does the prompt stand? ---------------------------------------------

    async def _find(self) -> bool:
        """Ask until the server answers; True if it knows the prompt."""
        return await self._persist(self._look_up) != Phase.FORGOTTEN

    async def _look_up(self) -> Phase:
        """History, queue, history again: a prompt that moves between is not missed."""
        queue = Queue()
        history = await self.client.history(self.prompt_id)
        if history is None:
            queue = await self.client.queue()
            history = await self.client.history(self.prompt_id)
        if queue.count(self.prompt_id) > 1:
            # A POST that was taken for lost arrived after all, beside its successor.
            log.warning("listed twice: one is taken back", extra=self.context)
            await self.client.remove_one(self.prompt_id)
        self.history = history
        phase = self.state.reconcile(queue, history)
        if phase == Phase.RUNNING:
            self.reporter.progress(self.state.progress)
        return phase

    async def _hear_last(self, inbox: Inbox) -> None:
        while not self.state.idle:
            mail = await inbox.mail.get()
            if isinstance(mail, str):
                inbox.mail.put_nowait(mail)
                return
            self._hear(*mail, inbox)

    async def _is_over(self) -> bool:
        self.history = await self.client.history(self.prompt_id)
        if self.history is None:
            return False
        self.state.reconcile(Queue(), self.history)
        return True

    async def _persist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again with back-off for as long as the server cannot be reached."""
        waits = iter(BACK_OFF)
        loop = asyncio.get_running_loop()
        unheard: float | None = None
        while True:
            try:
                answer = await ask()
                self.reporter.note("")
                return answer
            except ComfyError as exc:
                if not exc.retryable:
                    raise
                if not self.posted and isinstance(exc, Unreachable):
                    raise Released(str(exc)) from exc
                log.info("no answer: %s", exc, extra=self.context)
                self.reporter.note(f"{self.claim.server.name}: {exc} Asking again.")
                unheard = unheard or loop.time()
                if self._gave_up_waiting(loop.time() - unheard):
                    raise Abandoned(str(exc)) from exc
            await asyncio.sleep(next(waits, BACK_OFF[-1]))

    def _gave_up_waiting(self, silent: float) -> bool:
        return self.cancel_requested.is_set() and silent > CANCEL_PATIENCE

    # Submit -------------------------------------------------------------------

    async def _place(self) -> None:
        """Post until the server has it. Raises Lost when it never takes it.

        After a POST without an answer the server may still be at it, so a while
        passes before the question whether it knows the prompt.
        """
        for wait in BACK_OFF:
            if await self._submit():
                return
            await asyncio.sleep(wait)
            if await self._find():
                return
        raise Lost("The server answers, but it does not take the job.")

    async def _submit(self) -> bool:
        """Post the prompt; False if no answer came, so that it must be looked up."""
        if self.cancel_requested.is_set():
            raise Abandoned("cancelled before it was sent")
        graph = await self._persist(lambda: inputs.upload(self.client, self.claim.job))
        await self._hold()
        before, self.posted = self.posted, True
        try:
            await self.client.submit(self.prompt_id, graph)
        except ComfyError as exc:
            if not exc.retryable:
                raise
            if isinstance(exc, NotConnected) and not before:
                raise Released(str(exc)) from exc
            log.warning("POST unanswered: %s", exc, extra=self.context)
            return False
        return True

    async def _hold(self) -> None:
        """Make sure that nobody else can be posting it. Raises TakenOver."""
        now = asyncio.get_running_loop().time
        if now() + POST_MARGIN < self.lease_until:
            return
        asked = now()
        if not await surely(ledger.still_held)(self.claim):
            raise TakenOver
        self.lease_until = asked + LEASE.total_seconds()

    # Follow -------------------------------------------------------------------

    async def _follow(self, inbox: Inbox) -> None:
        """Until the verdict is known. Frames are fast, the watchdog is right."""
        cancelling = asyncio.create_task(self._cancel(inbox))
        loop = asyncio.get_running_loop()
        try:
            while not self.state.ended:
                if self.state.ending:
                    await self._await_history(inbox)
                    continue
                try:
                    async with asyncio.timeout(WATCHDOG):
                        mail = await inbox.mail.get()
                except TimeoutError:
                    mail = RECONNECTED
                if isinstance(mail, str):
                    if not await self._find():
                        raise Lost("The server was restarted during the run.")
                    self._mind_silence(loop.time() - self.heard)
                else:
                    self.heard = loop.time()
                    self._hear(*mail, inbox)
        finally:
            cancelling.cancel()
            with suppress(asyncio.CancelledError):
                await cancelling

    def _mind_silence(self, silent: float) -> None:
        """Say so; some nodes are silent for hours, so nothing is killed for it."""
        if self.state.phase != Phase.RUNNING:
            self.heard = asyncio.get_running_loop().time()
            return
        if silent > DEAF_AFTER:
            self._reopen()
        if silent > STALLED_AFTER:
            minutes = round(silent / 60)
            self.reporter.note(
                f"No sign of progress for {minutes} min; the server still lists it."
            )

    def _reopen(self) -> None:
        self.switchboard.reopen(self.claim.server, self.claim.attempt.client_id)

    def _hear(self, message: messages.Message, sole: bool, inbox: Inbox) -> None:
        self.frames += 1
        if isinstance(message, messages.Preview):
            if inbox.latest_preview is message:
                self.reporter.preview(message.data)
        elif self.state.receive(message, sole=sole):
            self.reporter.progress(self.state.progress)

    async def _await_history(self, inbox: Inbox) -> None:
        """A frame said that it is over; the history says how, soon after."""
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_WITHIN):
                await self._hear_last(inbox)
        # Nearly always it is there now, and the queue need not be asked.
        if await self._persist(self._is_over):
            return
        for wait in HISTORY_SOON:
            await asyncio.sleep(wait)
            await self._find()
            if self.state.ended:
                return

    async def _cancel(self, inbox: Inbox) -> None:
        """Once asked to, tell the server until it is over, and look how it ended."""
        await self.cancel_requested.wait()
        waits = iter(BACK_OFF)
        while True:
            try:
                await self.client.cancel(self.prompt_id)
            except ComfyError as exc:
                log.info("cancel unanswered: %s", exc, extra=self.context)
            else:
                # Of a prompt that only waited there comes no frame.
                inbox.mail.put_nowait(RECONNECTED)
            await asyncio.sleep(next(waits, BACK_OFF[-1]))

    # End ----------------------------------------------------------------------

    async def _finish(self) -> None:
        state = self.state
        log.info("run over: %s", state.phase.name.lower(), extra=self.context)
        if not self.frames:
            self._reopen()
        if state.phase == Phase.SUCCEEDED:
            await surely(ledger.succeeded)(
                self.claim, results(state.outputs), self._times("execution_success")
            )
        elif state.phase == Phase.FAILED and state.error is not None:
            times = self._times("execution_error")
            await surely(ledger.failed)(self.claim, state.error, times)
        else:
            why = "The run was interrupted."
            times = self._times("execution_interrupted")
            await surely(ledger.interrupted)(self.claim, why, times)

    def _times(self, end: str) -> ledger.Times:
        """Start and end of the run, from the server's own log of it."""
        logged = dict(self.history.messages) if self.history else {}
        start, over = (
            ledger.from_millis(logged.get(event, {}).get("timestamp"))
            for event in ("execution_start", end)
        )
        return start, over


def _shown(progress: Mapping[str, Any]) -> RunProgress:
    """What the page shows of the run so far: from there the bar goes on."""
    return RunProgress(
        fraction=progress.get("fraction") or 0.0,
        node=progress.get("node"),
        step=progress.get("step"),
        steps=progress.get("steps"),
    )
