"""What the rows tell: the queue, the attempts, the servers, the disk."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count, Min
from django.utils import timezone
from huey.contrib.djhuey import HUEY
from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from generation import history
from generation.models import Attempt, Job, Server
from generation.models.job import ACTIVE, AttemptState

log = logging.getLogger(__name__)

# GPU seconds and waits: from a test card to a long video, to a night's queue.
SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400)
WAITS = Histogram(
    "lifeos_job_wait_seconds",
    "From the request to the start of its run.",
    buckets=SECONDS,
)
RUNS = Histogram(
    "lifeos_job_run_seconds", "Runs on the GPU.", ["server"], buckets=SECONDS
)
ATTEMPTS = Counter(
    "lifeos_attempts", "Attempts that have ended.", ["server", "outcome"]
)
# Busy share: over so long.
WINDOW = timedelta(minutes=5)
# Rows are written by other processes: one may appear a little after its time.
LATE = timedelta(seconds=60)
AT_MOST = 5000


class Rows(Collector):
    """Asks the database when Prometheus asks. While it is away, says nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = self._since = timezone.now()
        self._seen: dict[UUID, datetime] = {}

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []  # so that registering asks nothing

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge("lifeos_build", "Its version.", {"version": settings.VERSION}, 1)
        yield from _disk()
        try:
            with self._lock:
                self._observe_ended()
            yield from _queue()
            yield from _servers()
            yield from _database_size()
        except DatabaseError as exc:
            log.warning("no metrics of the rows: %s", exc)
        yield from _readiness()
        yield from _tasks()

    def _observe_ended(self) -> None:
        """Count each attempt that has ended since this process began, once."""
        after = self._since - LATE
        rows = Attempt.objects.filter(state=AttemptState.ENDED, finished_at__gt=after)
        rows = rows.select_related("server", "job").only(
            "outcome",
            "created",
            "started_at",
            "finished_at",
            "server__name",
            "job__created",
        )
        for attempt in rows.order_by("finished_at")[:AT_MOST]:
            finished = attempt.finished_at
            if attempt.pk in self._seen or finished is None:
                continue
            self._seen[attempt.pk] = finished
            if finished >= self._started:
                _observe(attempt, finished)
            self._since = max(self._since, finished)
        oldest = self._since - LATE
        self._seen = {pk: at for pk, at in self._seen.items() if at > oldest}


def _observe(attempt: Attempt, finished: datetime) -> None:
    server = attempt.server.name
    ATTEMPTS.labels(server, attempt.outcome or "none").inc()
    if attempt.started_at is not None:
        waited = (attempt.started_at - attempt.job.created).total_seconds()
        WAITS.observe(max(0.0, waited))
        RUNS.labels(server).observe((finished - attempt.started_at).total_seconds())


def _gauge(
    name: str, text: str, labels: dict[str, str], value: float
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family


def _queue() -> Iterator[GaugeMetricFamily]:
    found = Job.objects.active().values("status")
    found = found.annotate(number=Count("id"), oldest=Min("created"))
    by_status = {row["status"]: row for row in found.order_by()}
    depth = GaugeMetricFamily(
        "lifeos_jobs", "Jobs that have not ended.", labels=["status"]
    )
    age = GaugeMetricFamily(
        "lifeos_oldest_job_seconds", "Age of the oldest of them.", labels=["status"]
    )
    now = timezone.now()
    for status in ACTIVE:
        row = by_status.get(status)
        depth.add_metric([status], row["number"] if row else 0)
        seconds = (now - row["oldest"]).total_seconds() if row else 0.0
        age.add_metric([status], max(0.0, seconds))
    yield depth
    yield age


def _servers() -> Iterator[GaugeMetricFamily]:
    servers = list(Server.objects.filter(enabled=True).defer("auth_secret"))
    now = timezone.now()
    busy = history.busy_share(now, WINDOW)
    up = GaugeMetricFamily("lifeos_server_up", "It answers.", labels=["server"])
    share = GaugeMetricFamily(
        "lifeos_gpu_busy_ratio",
        "Share of the last five minutes in which it ran something of ours.",
        labels=["server"],
    )
    queue = GaugeMetricFamily(
        "lifeos_server_queue",
        "Prompts at the server, strangers' too.",
        labels=["server"],
    )
    free = GaugeMetricFamily(
        "lifeos_server_vram_free_bytes", "Free video memory.", labels=["server"]
    )
    seen = GaugeMetricFamily(
        "lifeos_server_seen_seconds", "Since a bridge last saw it.", labels=["server"]
    )
    for server in servers:
        up.add_metric([server.name], server.state == Server.State.ONLINE)
        share.add_metric([server.name], busy.get(server.pk, 0.0))
        queue.add_metric([server.name], server.queue_length)
        free.add_metric([server.name], server.vram_free)
        if server.seen_at:
            seen.add_metric([server.name], (now - server.seen_at).total_seconds())
    yield from (up, share, queue, free, seen)


def _disk() -> Iterator[GaugeMetricFamily]:
    family = GaugeMetricFamily(
        "lifeos_disk_bytes", "The disk of the data folder.", labels=["kind"]
    )
    usage = shutil.disk_usage(settings.DATA)
    family.add_metric(["free"], usage.free)
    family.add_metric(["total"], usage.total)
    yield family


def _database_size() -> Iterator[GaugeMetricFamily]:
    if connection.vendor == "sqlite":
        path = Path(str(connection.settings_dict["NAME"]))
        size = path.stat().st_size if path.exists() else 0
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            size = cursor.fetchone()[0]
    yield _gauge("lifeos_database_bytes", "Size of the database.", {}, size)


def _readiness() -> Iterator[GaugeMetricFamily]:
    from lifeos import health  # it shows us among its pages

    family = GaugeMetricFamily("lifeos_ready", "As /readyz says.", labels=["check"])
    wrong = health.not_ready()
    for name in health.CHECKS:
        family.add_metric([name], 0 if name in wrong else 1)
    yield family


def _tasks() -> Iterator[GaugeMetricFamily]:
    try:
        waiting = HUEY.pending_count()
    except Exception as exc:  # each of Huey's storages has its own errors
        log.warning("no metrics of the tasks: %s", exc)
        return
    yield _gauge(
        "lifeos_tasks_waiting", "Tasks that no consumer has taken.", {}, waiting
    )
