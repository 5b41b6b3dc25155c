"""Plots as SVG, made on the server: no library and no script.

Pure: numbers in, figures laid out in a box of WIDTH × HEIGHT out, which
`components/_plot.html` draws. Colours are CSS's, so that light and dark need nothing.
What is drawn is also there as a table: that is what a screen reader reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

# Small enough that a phone shows the letters at nearly their size.
WIDTH, HEIGHT = 340, 180
LEFT, RIGHT, TOP, BOTTOM = 38, 16, 8, 22
# As many colours as can be told apart, of every kind of sight.
SHOWN = 5
DENSE = 60
REST = "rest"


@dataclass(frozen=True, slots=True)
class Place:
    """A place on the x axis. `tick` is written below it, if there is room for that."""

    label: str
    tick: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """A value for each place; None where it is not known. `tone`: its colour in CSS."""

    name: str
    values: Sequence[float | None]
    tone: str = "1"

    @property
    def known(self) -> list[float]:
        return [value for value in self.values if value is not None]


@dataclass(frozen=True, slots=True)
class Line:
    """A line across, and what is written at its end."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """All of one place: what is shown when the pointer rests there."""

    x: float
    width: float
    text: str


@dataclass(frozen=True)
class Plot:
    """`stacked`: bars on each other; lines otherwise. `most`: the axis's end, if fixed.

    `slug` begins the ids of its elements.
    """

    slug: str
    title: str
    unit: str
    places: Sequence[Place]
    series: Sequence[Series]
    stacked: bool = False
    most: float | None = None

    width, height = WIDTH, HEIGHT
    left, right, floor = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM

    @property
    def is_empty(self) -> bool:
        return not any(value for one in self.series for value in one.known)

    @property
    def description(self) -> str:
        """What is seen at a glance, in a sentence."""
        heights = self._heights
        highest = max(heights)
        where = self.places[heights.index(highest)].label
        first, last = self.places[0].label, self.places[-1].label
        kind = "Bars" if self.stacked else "Lines"
        return (
            f"{kind} from {first} to {last}; the highest, {number(highest)}"
            f" {self.unit}, at {where}. The numbers are in the table below."
        )

    @property
    def is_dense(self) -> bool:
        """Bars so thin that a gap would be as wide."""
        return len(self.places) > DENSE

    @property
    def legend(self) -> list[tuple[Series, str]]:
        """With what each comes to: all of its bars, or where its line is now."""
        return [(one, self._sum(one)) for one in self.series]

    def _sum(self, one: Series) -> str:
        if self.stacked:
            return number(sum(one.known))
        # The last place has only begun, so it may be empty.
        now, before = one.values[-1], one.values[-2]
        return _told(before if now is None else now)

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The table: newest first."""
        return [
            (place.label, [_told(one.values[i]) for one in self.series])
            for i, place in reversed(list(enumerate(self.places)))
        ]

    # Laid out ---------------------------------------------------------------------

    @cached_property
    def _heights(self) -> list[float]:
        """How high the drawing goes at each place."""
        merge = sum if self.stacked else max
        return [
            merge(one.values[i] or 0.0 for one in self.series)
            for i in range(len(self.places))
        ]

    @cached_property
    def _scale(self) -> tuple[float, float]:
        whole = all(float(v).is_integer() for one in self.series for v in one.known)
        return scale(self.most or max(self._heights, default=0.0), whole=whole)

    @property
    def _step(self) -> float:
        return (self.right - self.left) / max(1, len(self.places))

    def _y(self, value: float) -> float:
        room = self.floor - TOP
        return round(self.floor - room * value / self._scale[0], 1)

    def _x(self, place: float) -> float:
        return round(self.left + self._step * place, 1)

    @property
    def lines(self) -> list[Line]:
        end, step = self._scale
        count = round(end / step)
        return [Line(self._y(step * i), short(step * i)) for i in range(count + 1)]

    @property
    def ticks(self) -> list[Line]:
        return [
            Line(self._x(i + 0.5), place.tick)
            for i, place in enumerate(self.places)
            if place.tick
        ]

    @property
    def columns(self) -> list[Column]:
        return [
            Column(self._x(i), round(self._step, 1), self._told_at(i))
            for i in range(len(self.places))
        ]

    def _told_at(self, place: int) -> str:
        told = [
            f"{one.name}: {number(value)}"
            for one in self.series
            if (value := one.values[place])
        ]
        return "\n".join([self.places[place].label, *(told or ["0"])])

    @property
    def paths(self) -> list[tuple[str, str]]:
        """(tone, path) of each series."""
        draw = self._bars if self.stacked else self._curve
        return [(one.tone, draw(i)) for i, one in enumerate(self.series)]

    def _bars(self, index: int) -> str:
        below = self.series[:index]
        gap = 0.0 if self.is_dense else min(2.0, self._step / 4)
        found = []
        for i, value in enumerate(self.series[index].values):
            if value:
                start = sum(one.values[i] or 0.0 for one in below)
                top, foot = self._y(start + value), self._y(start)
                left, right = self._x(i) + gap / 2, self._x(i + 1) - gap / 2
                found.append(f"M{left:.1f} {foot}V{top}H{right:.1f}V{foot}z")
        return "".join(found)

    def _curve(self, index: int) -> str:
        """Broken where nothing is known; a value without neighbours is a dot."""
        found, values = [], self.series[index].values
        for i, value in enumerate(values):
            if value is not None:
                begins = i == 0 or values[i - 1] is None
                found.append(f"{'M' if begins else 'L'}{self._x(i + 0.5)} ")
                found.append(f"{self._y(value)}{'h.1' if begins else ''}")
        return "".join(found)


def scale(most: float, *, whole: bool = False) -> tuple[float, float]:
    """An axis's end, and how far its lines are apart: 1, 2 or 5 times a power of ten.

    `whole`: of things that are counted, so that no line stands at half a one.
    """
    if most <= 0:
        return 1.0, 1.0
    rough = most / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    if whole:
        step = max(1.0, step)
    return step * math.ceil(most / step - 0.001), step


def first_few(
    series: Sequence[Series], merge: Callable[[list[float]], float] = sum
) -> list[Series]:
    """Each of the first in a tone of its own, all others as one."""
    shown, rest = series[:SHOWN], series[SHOWN:]
    found = [replace(one, tone=str(i)) for i, one in enumerate(shown, 1)]
    if rest:
        name = f"{len(rest)} others" if len(rest) > 1 else "1 other"
        columns = zip(*(one.values for one in rest), strict=True)
        known = [[v for v in column if v is not None] for column in columns]
        merged = [merge(values) if values else None for values in known]
        found.append(Series(name, merged, REST))
    return found


def number(value: float) -> str:
    """As exact as one reads it: 0.25, 3.5, 12,345."""
    places = 0 if value >= 100 else 1 if value >= 1 else 2
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def short(value: float) -> str:
    """For an axis, where there is little room: 20k, 2M."""
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if value >= size:
            unit = 1e6 if letter == "M" else 1e3
            return f"{value / unit:g}{letter}"
    return f"{value:,g}"


def _told(value: float | None) -> str:
    return "–" if value is None else number(value)
