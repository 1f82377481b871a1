"""Charts within a page: their axes, and what stands at the border."""

from __future__ import annotations

import math
import re

import pytest
from tests.report.test_html import read

from optiproxy.report._plot import Axis, Plot


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-3.0, 12.0, [0, 5, 10]),
        (91.2, 91.9, [91.2, 91.4, 91.6, 91.8]),
        (1e6, 4e6, [1e6, 2e6, 3e6, 4e6]),
        (1e-5, 9e-5, [2e-5, 4e-5, 6e-5, 8e-5]),
        (1e-14, 4.5e-14, [1e-14, 2e-14, 3e-14, 4e-14]),
    ],
)
def test_ticks_are_round_and_within(low: float, high: float, ticks: list[float]) -> None:
    found = Axis("x", low, high).ticks()
    assert found == pytest.approx(ticks, abs=0)
    assert len(found) <= 7


@pytest.mark.parametrize("high", [1.0, 3.3e-5, 2e-7, 45_000.0, 3e9])
def test_each_tick_has_a_label_of_its_own(high: float) -> None:
    drawn = Plot("chart", Axis("x", 0, 1), Axis("y", high / 4, high)).svg()
    labels = re.findall(r'<text class="y"[^>]*>([^<]*)<', drawn)
    assert len(labels) > 2
    assert len(set(labels)) == len(labels)


def test_whole_numbers_and_decades() -> None:
    assert Axis("query", 0.8, 3.2, whole=True).ticks() == [1, 2, 3]
    axis = Axis.of("regret", [0.0, 0.02, 5.0, math.nan], log=True)
    assert axis.ticks() == pytest.approx([0.1, 1])
    assert axis.place(0.0, 0, 100) == 0  # A regret of zero has a place, at the foot.
    assert axis.place(5.0, 0, 100) < 100
    # At most five decades, whatever rounding leaves.
    assert Axis.of("regret", [1e-13, 1.0], log=True).low > 1e-6


@pytest.mark.parametrize("values", [[], [math.nan], [3.0], [0.0], [-2.0, -2.0]])
def test_any_values_have_an_axis(values: list[float]) -> None:
    axis = Axis.of("x", values)
    assert axis.low < axis.high
    assert axis.ticks()


def test_points_lead_to_queries_and_names_are_text() -> None:
    plot = Plot("<b> & chart", Axis("query", 0, 10), Axis("y" * 80, 0, 1))
    plot.points([2, 5], [0.2, 0.5], "good", "a <label>", queries=[2, 5])
    plot.line([0, 1, 2], [0.1, math.nan, 0.3], "best").across(7.0, "limit", "outside")
    text = plot.svg()
    page = read(text)
    assert [a["href"] for tag, a in page.seen if tag == "a"] == ["#q2", "#q5"]
    assert "a <label>" in page.text
    assert "<b> & chart" in page.text
    assert "outside" not in text
    assert max(map(len, re.findall(r"y+", page.text))) < 41
    assert "nan" not in text
