"""The critical-difference diagram: what stands where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from optiproxy import report
from optiproxy.errors import InvalidValueError
from optiproxy.report import RankRow, significance


def _rows(ranks: dict[str, float], difference: float, budget: int = 100) -> list[RankRow]:
    return [RankRow(budget, name, 60, rank, 0.01, difference) for name, rank in ranks.items()]


def test_a_diagram_a_budget_with_each_methods_rank(tmp_path: Path, drawn: list[Figure]) -> None:
    ranks = {"worst": 2.9, "best": 1.2, "middle": 1.9}
    rows = _rows(ranks, 0.5) + _rows(ranks, 0.8, budget=50)
    report.rank_figure(rows, tmp_path / "r.png")
    early, late = drawn[0].axes
    assert early.get_title().startswith("50 queries, 60 blocks")
    assert late.get_title().startswith("100 queries")
    texts = {text.get_text().strip(): text for text in late.texts}
    assert {"best  1.20", "middle  1.90", "2.90  worst", "critical difference 0.50"} < set(texts)
    # The best is on the left of the axis and at the top.
    assert texts["best  1.20"].get_position()[0] < 1
    assert texts["2.90  worst"].get_position()[0] > 3
    assert texts["best  1.20"].get_position()[1] < texts["middle  1.90"].get_position()[1]
    starts = [float(np.asarray(line.get_xdata())[0]) for line in late.lines]
    assert {1.2, 1.9, 2.9} <= set(starts)


@pytest.mark.parametrize(("difference", "bars"), [(0.5, 0), (0.8, 1), (1.1, 2), (1.8, 1)])
def test_bars_join_what_is_not_separated(
    tmp_path: Path, drawn: list[Figure], difference: float, bars: int
) -> None:
    report.rank_figure(_rows({"a": 1.2, "b": 1.9, "c": 2.9}, difference), tmp_path / "r.png")
    thick = [line for line in drawn[0].axes[0].lines if line.get_linewidth() == 4]
    assert len(thick) == bars


def test_the_critical_difference_is_drawn_to_scale(tmp_path: Path, drawn: list[Figure]) -> None:
    for difference in (0.5, 7.0):
        report.rank_figure(_rows({"a": 1.2, "b": 1.8}, difference), tmp_path / "r.png")
    for figure, length, text in zip(drawn, (0.5, 1.0), ("0.50", "longer"), strict=True):
        axis = figure.axes[0]
        spans = [np.ptp(np.asarray(x.get_xdata())) for x in axis.lines if x.get_linewidth() == 1.5]
        assert max(spans) == pytest.approx(length)
        assert any(text in label.get_text() for label in axis.texts)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [2, 9])
def test_is_written_without_a_warning(tmp_path: Path, count: int) -> None:
    rows = _rows({f"a-method-of-a-long-name-{i}": 1 + i for i in range(count)}, 1.5)
    path = report.rank_figure(rows, tmp_path / "r.png")
    assert path.stat().st_size > 1000


def test_bad_input_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"ranks: got 'none'"):
        report.rank_figure([], tmp_path / "r.png")
    with pytest.raises(InvalidValueError, match=r"format"):
        report.rank_figure(_rows({"a": 1, "b": 2}, 1), tmp_path / "r")


def test_small_p_values_are_written_as_a_bound() -> None:
    assert significance.p_text(1.9e-6) == "< 1e-4"
    assert significance.p_text(0.0123) == "= 0.012"
