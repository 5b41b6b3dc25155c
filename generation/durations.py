"""How long runs take, by what was measured: template × server × size, cold or warm."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import (
    BigIntegerField,
    BooleanField,
    F,
    FloatField,
    QuerySet,
    SmallIntegerField,
    Value,
)
from django.db.models.functions import Greatest

from accounts.prepared import PreparedUpdate, Slot
from generation.kept import Kept
from generation.models import Attempt, Duration

if TYPE_CHECKING:
    from collections.abc import Iterable

# The weight of the newest run in the mean, once there are as many runs.
NEWEST = 1 / 8
# Pages and ticks may see means that are this old.
FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Mean:
    server: int
    size: int
    seconds: float


class Durations:
    """The measured means of one moment."""

    def __init__(self, rows: Iterable[Duration]) -> None:
        self._means: dict[tuple[int, bool], list[_Mean]] = defaultdict(list)
        for row in rows:
            mean = _Mean(row.server_id, row.size, row.seconds)
            self._means[row.workflow_id, row.cold].append(mean)

    def expected(
        self, workflow: int, size: int, server: int | None = None, *, cold: bool = False
    ) -> float | None:
        """Seconds; None for a template that never ran to its end."""
        warm = self._near(workflow, size, server, cold=False)
        if not cold:
            # Better a run with a model load than no idea at all.
            if warm is None:
                return self._near(workflow, size, server, cold=True)
            return warm
        if warm is None:
            return self._near(workflow, size, server, cold=True)
        return warm + self.load(workflow, server)

    def load(self, workflow: int, server: int | None) -> float:
        """Seconds that loading this template's models takes; 0 if not known."""
        extra = []
        for run in self._means.get((workflow, True), ()):
            warm = self._near(workflow, run.size, run.server, cold=False)
            if warm is not None:
                extra.append((run.server == server, max(0.0, run.seconds - warm)))
        own = [seconds for same, seconds in extra if same]
        best = own or [seconds for _, seconds in extra]
        return sum(best) / len(best) if best else 0.0

    def _near(
        self, workflow: int, size: int, server: int | None, *, cold: bool
    ) -> float | None:
        """The mean of the nearest size, of this server if it has any; scaled to size.

        Sizes are half octaves of work; what is farther than two octaves is not
        stretched further, since start-up costs do not grow with the size.
        """
        means = self._means.get((workflow, cold), ())
        own = [mean for mean in means if mean.server == server]
        candidates = own or means
        if not candidates:
            return None
        nearest = min(candidates, key=lambda mean: abs(mean.size - size))
        steps = max(-4, min(4, size - nearest.size))
        return float(nearest.seconds * 2 ** (steps / 2))


_kept = Kept(lambda: Durations(Duration.objects.all()), FRESH_SECONDS)
current = _kept.get
forget = _kept.forget


def record(attempt: Attempt, seconds: float) -> None:
    """Take a finished run into the means."""
    job = attempt.job
    key = {
        "workflow_id": job.workflow_id,
        "server_id": attempt.server_id,
        "size": job.size,
        "cold": attempt.cold,
    }
    measured = key | {"measured": seconds}
    if not _record.run(**measured):
        first = {"seconds": seconds}
        _, new = Duration.objects.get_or_create(**key, defaults=first)
        if not new:  # it was made in between
            _record.run(**measured)


def _means() -> QuerySet[Duration]:
    return Duration.objects.filter(
        workflow_id=Slot("workflow_id", BigIntegerField()),
        server_id=Slot("server_id", BigIntegerField()),
        size=Slot("size", SmallIntegerField()),
        cold=Slot("cold", BooleanField()),
    )


def _with_one_more() -> dict[str, Any]:
    runs = F("runs") + 1
    part = Greatest(Value(NEWEST), Value(1.0) / runs)
    measured = Slot("measured", FloatField())
    mean = F("seconds") + part * (measured - F("seconds"))
    return {"seconds": mean, "runs": runs}


_record = PreparedUpdate(_means, **_with_one_more())
