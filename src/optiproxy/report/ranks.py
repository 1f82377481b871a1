"""The critical-difference diagram of a comparison (Demšar 2006, figure 1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from optiproxy.errors import invalid
from optiproxy.report._figure import GREY, PALETTE, check_path, save
from optiproxy.report.analysis import RankRow
from optiproxy.report.significance import cliques, p_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Heights in inches: a line of text, and the part above the axis.
_LINE, _HEAD = 0.24, 0.75


def rank_figure(ranks: Sequence[RankRow], path: str | Path, *, unit: str = "queries") -> Path:
    """Draws the mean ranks, one diagram a budget.

    The best is on the left. A thick bar joins methods whose mean ranks lie less apart than the
    critical difference, which is drawn above the axis: the blocks do not tell them apart.

    Args:
        ranks: As of `analyse`.
        path: A file ending in ``.png``, ``.svg`` or ``.pdf``; written whole.
        unit: Of the budgets.

    Returns:
        The path that was written.

    Raises:
        InvalidValueError: No rank at all, or a format that can't be drawn.
    """
    from matplotlib.figure import Figure

    path = check_path(path)
    if not ranks:
        raise invalid("rank figure: ranks", "none", "give those of two methods or more")
    budgets = sorted({row.budget for row in ranks})
    groups = [
        sorted((row for row in ranks if row.budget == budget), key=lambda row: row.mean_rank)
        for budget in budgets
    ]
    # Inches, as the axis counts them: the labels' lines, a half of the methods on each side, and
    # the bars between the axis and them.
    heights = [_HEAD + _LINE * ((len(rows) + 1) // 2 + 1 + len(_bars(rows)) / 2) for rows in groups]
    figure = Figure(figsize=(7.5, sum(heights)), layout="constrained")
    axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)
    for axis, rows, height in zip(axes.flat, groups, heights, strict=True):
        _draw(axis, rows, height, unit)
    return save(figure, path)


def _bars(rows: Sequence[RankRow]) -> list[tuple[int, int]]:
    return cliques([row.mean_rank for row in rows], rows[0].critical_difference)


def _draw(axis: Axes, rows: Sequence[RankRow], height: float, unit: str) -> None:
    """One diagram; x is the rank, y inches below the axis."""
    count, first = len(rows), rows[0]
    axis.set_axis_off()
    axis.set_ylim(height - _HEAD, -_HEAD)
    # Room for the names on both sides: as wide as the axis itself.
    axis.set_xlim(1 - 0.5 * (count - 1), count + 0.5 * (count - 1))
    axis.set_title(
        f"{first.budget:g} {unit}, {first.blocks} blocks of a task and a seed "
        f"(Friedman p {p_text(first.friedman_p)})",
        fontsize="medium",
    )
    axis.plot([1, count], [0, 0], color="black", linewidth=1)
    for tick in range(1, count + 1):
        axis.plot([tick, tick], [0, -0.06], color="black", linewidth=1)
        axis.text(tick, -0.1, str(tick), ha="center", va="bottom", fontsize="small")
    _draw_difference(axis, first.critical_difference, count)

    bars = _bars(rows)
    for i, (start, end) in enumerate(bars):
        y = _LINE * (i + 1) / 2
        ends = [rows[start].mean_rank, rows[end].mean_rank]
        # A little longer, so that the bar of two equal ranks is visible.
        span = [ends[0] - 0.012 * (count - 1), ends[1] + 0.012 * (count - 1)]
        axis.plot(span, [y, y], color=PALETTE[1], linewidth=4, solid_capstyle="butt")

    left = (count + 1) // 2
    top = _LINE * (1 + len(bars) / 2)
    for i, row in enumerate(rows):
        on_left = i < left
        y = top + _LINE * (i if on_left else count - 1 - i)
        edge = 1 - 0.08 * (count - 1) if on_left else count + 0.08 * (count - 1)
        axis.plot([row.mean_rank, row.mean_rank, edge], [0, y, y], color=GREY, linewidth=0.8)
        rank = f"{row.mean_rank:.2f}"
        text = f"{row.method}  {rank} " if on_left else f" {rank}  {row.method}"
        side = "right" if on_left else "left"
        axis.text(edge, y, text, ha=side, va="center", fontsize="small")


def _draw_difference(axis: Axes, difference: float, count: int) -> None:
    """The critical difference as a length, truncated with a note where it exceeds the axis."""
    shown = min(difference, count - 1)
    y = -0.42
    axis.plot([1, 1 + shown], [y, y], color=PALETTE[1], linewidth=1.5)
    for x in (1, 1 + shown):
        axis.plot([x, x], [y - 0.04, y + 0.04], color=PALETTE[1], linewidth=1.5)
    more = ", longer than the axis" if difference > shown else ""
    axis.text(
        1, y - 0.07, f"critical difference {difference:.2f}{more}", va="bottom", fontsize="small"
    )
