"""Pages for administrators: servers, what runs where, the queue. Deeds are logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Count, Model, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.http import person, staff
from gallery.keeping import disks
from generation import offers, outlook
from generation.models import Attempt, Job, QueueState, Server, Version
from generation.models.job import AttemptState, JobStatus
from generation.wake import wake

if TYPE_CHECKING:
    from collections.abc import Sequence


def log_deed(request: HttpRequest, thing: Model, what: str) -> None:
    """Write it to the administration's log; `accounts.receivers` hands it to audit."""
    LogEntry.objects.log_actions(
        person(request).pk,
        type(thing)._default_manager.filter(pk=thing.pk),
        CHANGE,
        change_message=what,
        single_object=True,
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """What one server lacks for one template; `known` is False before a visit."""

    server: Server
    lacks: tuple[str, ...]
    known: bool


@dataclass(frozen=True, slots=True)
class Row:
    version: Version
    cells: list[Cell]

    @property
    def runs_nowhere(self) -> bool:
        """No server that is switched on can; one that was not seen yet might."""
        cells = [cell for cell in self.cells if cell.server.enabled]
        return bool(cells) and all(cell.known and cell.lacks for cell in cells)


def matrix(versions: Sequence[Version], servers: Sequence[Server]) -> list[Row]:
    """Every template × every server."""
    return [Row(v, [_cell(v, s) for s in servers]) for v in versions]


def _cell(version: Version, server: Server) -> Cell:
    catalog = server.catalog_view()
    if catalog is None:
        return Cell(server, (), known=False)
    # As it would be sent there: where people choose a model, any will do.
    graph = offers.with_defaults(version, catalog)
    lacks = server.lacking(version.workflow.server_tags, graph)
    return Cell(server, tuple(lacks), known=True)


@staff
@require_safe
def server_list(request: HttpRequest) -> HttpResponse:
    is_open = ~Q(attempts__state=AttemptState.ENDED)
    in_flight = Count("attempts", filter=is_open & Q(attempts__isnull=False))
    servers = list(Server.objects.annotate(in_flight=in_flight))
    context: dict[str, Any] = {
        "servers": servers,
        "matrix": matrix(list(Version.objects.of_published()), servers),
        "low_disks": disks.low(),
        "queue": QueueState.load(),
        "order": outlook.order(),
        "queued": Job.objects.filter(status=JobStatus.QUEUED).count(),
    }
    return render(request, "generation/server_list.html", context)


@staff
@require_POST
def change_queue(request: HttpRequest) -> HttpResponse:
    """Pause or resume: nothing new goes to any server; what runs goes on."""
    deed = request.POST.get("do", "")
    if deed not in ("pause", "resume"):
        messages.error(request, "That is nothing that can be done to the queue.")
        return redirect("generation:server-list")
    paused = deed == "pause"
    reason = request.POST.get("reason", "").strip()[:200] if paused else ""
    state, _ = QueueState.objects.update_or_create(
        pk=1, defaults={"paused": paused, "reason": reason}
    )
    what = "paused" if state.paused else "resumed"
    log_deed(request, state, f"Queue {what}. {state.reason}".strip())
    outlook.forget()
    wake("changed")
    messages.success(request, f"The queue is {what}.")
    return redirect("generation:server-list")


# What a button on a server's card changes, and how that is told.
SERVER_DEEDS: dict[str, tuple[dict[str, bool], str]] = {
    "pause": ({"paused": True}, "gets nothing new"),
    "resume": ({"paused": False, "draining": False}, "takes jobs again"),
    "drain": ({"draining": True}, "finishes what it has and takes nothing new"),
    "enable": ({"enabled": True, "draining": False}, "is switched on"),
    "disable": ({"enabled": False}, "is switched off"),
}


@staff
@require_POST
def change_server(request: HttpRequest, pk: int) -> HttpResponse:
    server = get_object_or_404(Server, pk=pk)
    deed = request.POST.get("do", "")
    if deed == "give-up" and server.state == Server.State.ONLINE:
        messages.error(request, f"{server.name} answers: what it holds is not lost.")
        return redirect("generation:server-list")
    if deed == "give-up":
        text = _give_up(server)
    elif deed in SERVER_DEEDS:
        fields, what = SERVER_DEEDS[deed]
        Server.objects.filter(pk=pk).update(**fields)
        text = f"{server.name} {what}."
    else:
        messages.error(request, "That is nothing that can be done to a server.")
        return redirect("generation:server-list")
    log_deed(request, server, text)
    outlook.forget()
    wake("changed")
    messages.success(request, text)
    return redirect("generation:server-list")


def _give_up(server: Server) -> str:
    """For a server that will not come back: what it holds is queued again.

    Only an administrator can know that; a server that is merely away may still be
    running it.
    """
    given_up = 0
    held = Attempt.objects.filter(server=server).exclude(state=AttemptState.ENDED)
    for attempt in held.select_related("job"):
        given_up += attempt.give_up()
    return f"{server.name} is given up; {given_up} of its jobs wait again."


@staff
@require_POST
def move_to_front(request: HttpRequest, pk: UUID) -> HttpResponse:
    job = get_object_or_404(Job, pk=pk)
    if job.move_to_front():
        log_deed(request, job, "Moved to the front of the queue.")
        outlook.forget()
        messages.success(request, "The job is the next one now.")
    else:
        messages.error(request, "This job does not wait any more.")
    return redirect("generation:server-list")
