"""Small charts as SVG within a page: they follow its colours, and their points lead to queries.

matplotlib draws the figures that are files. Within a page it would draw pictures, which neither
follow the reader's dark or light setting nor name a query on hover.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Pixels. A phone shows a chart at nearly this width, so that its text stays readable.
WIDTH, HEIGHT = 420.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 12.0, 10.0, 42.0
# Room between the outermost values and the frame, as a share of their range.
MARGIN = 0.05
# A logarithmic axis has at most so many decades; what lies below is drawn at its foot.
DECADES = 5


@dataclass(frozen=True)
class Axis:
    """What is on an axis, and from where to where.

    Attributes:
        label: What it shows.
        low: Its lower end.
        high: Its upper end.
        whole: Whether only whole numbers have ticks.
        log: Whether it is logarithmic; `low` is then positive.
    """

    label: str
    low: float
    high: float
    whole: bool = False
    log: bool = False

    @classmethod
    def of(cls, label: str, values: ArrayLike, *, whole: bool = False, log: bool = False) -> Axis:
        """An axis with room for the finite ones of `values`; logarithmic for the positive ones."""
        data = np.asarray(values, dtype=np.float64).ravel()
        data = data[np.isfinite(data) & (data > 0 if log else True)]
        low, high = (float(data.min()), float(data.max())) if len(data) else (0.0, 1.0)
        if log:
            low = max(low, high / 10**DECADES) if high > 0 else 0.1
            return cls(label, low / 1.2, 1.2 * max(high, low), log=True)
        room = MARGIN * (high - low) or max(abs(high), 1.0) * MARGIN
        return cls(label, low - room, high + room, whole=whole)

    def place(self, value: float, start: float, end: float) -> float:
        """Where a value is between two places in pixels."""
        if self.log:
            read = math.log(max(value, self.low))
            share = (read - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            share = (value - self.low) / (self.high - self.low)
        return start + share * (end - start)

    def ticks(self) -> list[float]:
        """About five round numbers within the axis; decades of a logarithmic one."""
        if self.log:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            decades = [10.0**power for power in powers]
            if len(decades) > 1:
                return decades
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough)
        if self.whole:
            step = max(1.0, float(round(step)))
        first = math.ceil(self.low / step)
        count = math.floor(self.high / step) - first + 1
        return [float(f"{(first + i) * step:.12g}") for i in range(count)]


class Plot:
    """A chart that is filled from back to front.

    Args:
        name: What it shows, for readers who do not see it.
        x: To the right.
        y: Upwards.
        links: Whether points lead to the rows of their queries.
    """

    def __init__(self, name: str, x: Axis, y: Axis, *, links: bool = True) -> None:
        self.name, self.x, self.y, self.links = name, x, y, links
        self._parts: list[str] = []
        self._legend: list[tuple[str, str]] = []

    def points(
        self,
        xs: Iterable[float],
        ys: Iterable[float],
        kind: str,
        label: str = "",
        *,
        queries: Sequence[int] = (),
        radius: float = 3.4,
    ) -> Plot:
        """Dots; with `queries` each leads to the row of its query."""
        dots = [self._at(x, y) for x, y in zip(xs, ys, strict=True)]
        if not dots:
            return self
        for i, (x, y) in enumerate(dots):
            dot = f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
            self._parts.append(self._link(queries[i], dot) if queries else dot)
        return self._labelled(f"dot {kind}", label)

    def marks(self, xs: Iterable[float], kind: str, label: str, queries: Sequence[int]) -> Plot:
        """Strokes at the foot, for what has no value on the other axis."""
        strokes = [self._stroke(x, kind) for x in xs]
        for stroke, n in zip(strokes, queries, strict=True):
            self._parts.append(self._link(n, stroke))
        return self._labelled(f"mark {kind}", label) if strokes else self

    def rug(self, xs: Iterable[float], kind: str, label: str) -> Plot:
        """Strokes at the foot, for what is no query."""
        self._parts += [self._stroke(x, kind) for x in xs]
        return self._labelled(f"mark {kind}", label)

    def _link(self, query: int, mark: str) -> str:
        """A mark that names its query on hover, and leads to its row."""
        title = f"<title>query {query}</title>{mark}"
        if not self.links:
            return f"<g>{title}</g>"
        return f'<a href="#q{query}" tabindex="-1">{title}</a>'

    def _stroke(self, x: float, kind: str) -> str:
        foot = HEIGHT - BOTTOM
        return f'<path class="{kind}" d="M{self._at(x, self.y.low)[0]:.1f} {foot}V{foot - 9}"/>'

    def line(
        self, xs: ArrayLike, ys: ArrayLike, kind: str, label: str = "", *, steps: bool = False
    ) -> Plot:
        """A line through the finite points; with `steps` a value holds until the next one."""
        parts: list[str] = []
        for x, y in self._finite(xs, ys):
            at, up = self._at(x, y)
            parts.append(
                f"M{at:.1f} {up:.1f}" if not parts
                else f"H{at:.1f}V{up:.1f}" if steps else f"L{at:.1f} {up:.1f}"
            )  # fmt: skip
        if not parts:
            return self
        self._parts.append(f'<path class="line {kind}" d="{"".join(parts)}"/>')
        return self._labelled(f"stroke {kind}", label)

    def band(self, xs: ArrayLike, lows: ArrayLike, highs: ArrayLike, kind: str) -> Plot:
        """The area between two lines."""
        upper = [self._at(x, y) for x, y in self._finite(xs, highs)]
        lower = [self._at(x, y) for x, y in self._finite(xs, lows)]
        if upper and lower:
            corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*upper, *lower[::-1]])
            self._parts.append(f'<polygon class="band {kind}" points="{corners}"/>')
        return self

    def across(self, value: float, kind: str, label: str = "", *, upright: bool = False) -> Plot:
        """A line over the whole chart at a value of y, or of x if it is upright."""
        axis = self.x if upright else self.y
        if not axis.low <= value <= axis.high:
            return self
        if upright:
            x = self._at(value, self.y.low)[0]
            path = f"M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"
        else:
            y = self._at(self.x.low, value)[1]
            path = f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}"
        self._parts.append(f'<path class="line {kind}" d="{path}"/>')
        return self._labelled(f"stroke {kind}", label)

    def note(self, text: str) -> Plot:
        """A remark in the legend."""
        return self._labelled("", text)

    def svg(self) -> str:
        """The chart with its legend, as HTML."""
        name = escape(self.name)
        key = "".join(
            f'<span><i class="{kind}"></i>{escape(text)}</span>' if kind
            else f"<span>{escape(text)}</span>"
            for kind, text in self._legend
        )  # fmt: skip
        return (
            f'<figure class="plot"><svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" '
            f'aria-label="{name}">{self._frame()}{"".join(self._parts)}</svg>'
            f'<figcaption><b>{name}</b> <span class="legend">{key}</span></figcaption></figure>'
        )

    def _labelled(self, kind: str, text: str) -> Plot:
        if text:
            self._legend.append((kind, text))
        return self

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return (
            self.x.place(x, LEFT, WIDTH - RIGHT),
            self.y.place(y, HEIGHT - BOTTOM, TOP),
        )

    @staticmethod
    def _finite(xs: ArrayLike, ys: ArrayLike) -> NDArray[np.float64]:
        both = np.stack([np.asarray(xs, np.float64), np.asarray(ys, np.float64)], 1)
        return np.asarray(both[np.isfinite(both).all(1)])

    def _frame(self) -> str:
        parts = []
        foot = HEIGHT - BOTTOM
        for value in self.x.ticks():
            x = self._at(value, self.y.low)[0]
            parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{foot}"/>')
            parts.append(f'<text x="{x:.1f}" y="{foot + 16}">{_tick(value)}</text>')
        for value in self.y.ticks():
            y = self._at(self.x.low, value)[1]
            parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
            parts.append(f'<text class="y" x="{LEFT - 6}" y="{y + 4:.1f}">{_tick(value)}</text>')
        middle, half = (LEFT + WIDTH - RIGHT) / 2, (TOP + foot) / 2
        parts.append(
            f'<text class="label" x="{middle:.0f}" y="{HEIGHT - 8}">{escape(_short(self.x.label))}'
            f'</text><text class="label" transform="translate(13 {half:.0f}) rotate(-90)">'
            f"{escape(_short(self.y.label))}</text>"
        )
        return "".join(parts)


def _tick(value: float) -> str:
    size = abs(value)
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            return f"{value / (1e3 if letter == 'k' else limit):g}{letter}"
    return f"{value:.6g}" if size >= 1e-4 or value == 0 else f"{value:.3g}"


def _short(label: str) -> str:
    return label if len(label) <= 40 else label[:39] + "…"
