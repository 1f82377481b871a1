"""What the figures share: the palette, panels, and writing the file.

Figures are drawn through matplotlib's objects and never through pyplot: nothing is registered
globally, no display is needed, and a worker thread may draw.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optiproxy._atomic_write import whole
from optiproxy.errors import unknown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can distinguish.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h")
GREY = "#888888"
# Values further below the median than this many times the distance from the median to the best are
# off the scale: one failed training at chance level would flatten the other points.
VIEW = 3.0
FORMATS = (".png", ".svg", ".pdf")


def panels(count: int, *, width: float = 5.5, height: float = 4.0) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels side by side, four a row; sizes are inches a panel."""
    from matplotlib.figure import Figure

    columns = min(count, 4)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[count:]:
        axis.set_axis_off()
    for axis in axes[:count]:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[:count]


def style(number: int) -> dict[str, Any]:
    """Colour, dashes and marker of curve `number`; no two of twelve share two of them."""
    # 7 colours, 4 dashes: a pair returns after 28 curves only.
    return {
        "color": PALETTE[number % len(PALETTE)],
        "linestyle": LINES[number % len(LINES)],
        "marker": MARKERS[number % len(MARKERS)],
    }


def common_legend(figure: Figure, axes: Iterable[Axes]) -> None:
    """One legend below all panels, an entry for each label in the order of its first panel."""
    found: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        # Inches of a handle, and of the characters of the longest label.
        width = 0.6 + 0.075 * max(map(len, found))
        columns = max(1, min(len(found), int(figure.get_figwidth() / width)))
        figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(found) // columns))
        figure.legend(
            found.values(),
            found,
            loc="outside lower center",
            ncols=columns,
            frameon=False,
            fontsize="small",
        )


def worst_shown(scores: NDArray[np.float64]) -> float:
    """The lowest score that a panel shows (greater is better); see `VIEW`."""
    worst, median, best = float(scores.min()), float(np.median(scores)), float(scores.max())
    return max(worst, median - VIEW * (best - median)) if best > median else worst


def legend_above(axis: Axes) -> None:
    """A legend above the panel, where it hides no point; none when nothing is labelled."""
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        axis.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=3,
            frameon=False,
            fontsize="small",
        )


def check_path(path: str | Path) -> Path:
    """`path`, if it ends in a format that can be drawn.

    Raises:
        InvalidValueError: The ending is none of ``.png``, ``.svg``, ``.pdf``.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise unknown(f"figure {path.name!r}: format", path.suffix, FORMATS)
    return path


def _without_formulas(figure: Figure) -> None:
    """Disables formulas (``$``) in texts that name metrics and tasks, not in tick labels."""
    from matplotlib.text import Text

    ticks = (axis.get_major_ticks() + axis.get_minor_ticks()
             for axes in figure.axes for axis in (axes.xaxis, axes.yaxis))  # fmt: skip
    numbers = {label for some in ticks for tick in some for label in (tick.label1, tick.label2)}
    for text in figure.findobj(Text):
        if text not in numbers:
            text.set_parse_math(False)


def save(figure: Figure, path: Path) -> Path:
    """Writes the figure atomically: a reader sees the old file or the new one."""
    import matplotlib

    path.parent.mkdir(parents=True, exist_ok=True)
    _without_formulas(figure)
    # TrueType fonts within a PDF: many publishers refuse the default, Type 3. An SVG has its glyphs
    # as outlines, which need no font at all.
    with whole(path) as unfinished, matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(unfinished, dpi=150)
    return path
