"""The front's figure: which points are on it, its reference point, what the panels show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from optiproxy import report
from optiproxy.errors import InvalidValueError
from optiproxy.metrics import parse_objectives
from optiproxy.report.front import on_front, reference_behind

OBJECTIVES = ["acc=max", "ms=min"]


def run(*pairs: tuple[float, ...] | None, broken: tuple[int, ...] = ()) -> list[dict[str, object]]:
    names = ("acc", "ms", "mb")
    return [
        {
            "query": n,
            "metrics": {} if pair is None else dict(zip(names, pair, strict=False)),
            "feasible": pair is not None and n not in broken,
        }
        for n, pair in enumerate(pairs, start=1)
    ]


# On the front: the first, second and fifth; the sixth would be, but breaks a limit.
QUERIES = run((50, 2), (60, 4), None, (55, 5), (80, 10), (90, 1), broken=(6,))


def test_points_on_the_front_by_hand() -> None:
    values = np.array([[50, 2], [60, 4], [np.nan, np.nan], [55, 5], [80, 10], [90, 1]])
    feasible = np.array([True, True, False, True, True, False])
    assert on_front(values, feasible, parse_objectives(OBJECTIVES)).tolist() == [0, 1, 4]
    none = np.zeros(6, dtype=bool)
    assert on_front(values, none, parse_objectives(OBJECTIVES)).tolist() == []


def test_the_reference_lies_a_tenth_of_the_range_behind() -> None:
    assert reference_behind([QUERIES], OBJECTIVES) == pytest.approx({"acc": 47, "ms": 10.8})
    # Another seed's front counts too; one point has no range, and the other queries' serves.
    assert reference_behind([run((50, 2)), run((60, 1))], OBJECTIVES) == pytest.approx(
        {"acc": 59, "ms": 1.1}
    )
    assert reference_behind([run((50, 2))], OBJECTIVES) == pytest.approx({"acc": 45, "ms": 2.2})


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_dollar_in_a_name_is_no_formula(tmp_path: Path, ending: str) -> None:
    named = [
        {
            **q,
            "metrics": {"acc_$": q["metrics"].get("acc", 1.0), "c_$": q["metrics"].get("ms", 1.0)},
        }
        for q in QUERIES
    ]
    path = tmp_path / f"front.{ending}"
    report.front_figure(named, path, objectives=["acc_$=max", "c_$=min"])
    assert path.stat().st_size > 1000


def test_the_panels_show_front_steps_and_hypervolume(tmp_path: Path, drawn: list[Figure]) -> None:
    report.front_figure(QUERIES, tmp_path / "f.png", objectives=OBJECTIVES)
    [figure] = drawn
    plane, course = figure.axes
    front = next(c for c in plane.collections if c.get_label() == "front (3)")
    assert sorted(map(tuple, front.get_offsets().tolist())) == [(2, 50), (4, 60), (10, 80)]
    (steps,) = plane.lines
    assert np.asarray(steps.get_xdata()).tolist() == [2, 4, 10]
    assert {c.get_label() for c in plane.collections} == {"query", "breaks a limit", "front (3)"}
    line = course.lines[0].get_ydata()
    # Behind (47, 10.8): (50, 2) covers 3 x 8.8, (60, 4) adds 10 x 6.8, (80, 10) adds 20 x 0.8.
    assert np.asarray(line) == pytest.approx([26.4, 94.4, 94.4, 94.4, 110.4, 110.4])
    assert "acc > 47, ms < 10.8" in course.get_xlabel()
    assert course.get_legend() is None


def test_three_objectives_have_a_panel_for_each_pair(tmp_path: Path, drawn: list[Figure]) -> None:
    three = ["acc=max", "ms=min", "mb=min"]
    queries = run((50, 2, 1), (60, 4, 2), (55, 5, 1))
    report.front_figure(queries, tmp_path / "f.png", objectives=three)
    [figure] = drawn
    assert [axis.get_xlabel().partition("\n")[0] for axis in figure.axes] == [
        "ms (smaller is better)", "mb (smaller is better)", "query",
    ]  # fmt: skip
    assert all(not axis.lines for axis in figure.axes[:2])  # no steps in a projection


def test_one_network_at_chance_does_not_flatten_the_picture(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    queries = run(*[(60.0 + i, 2.0 + i) for i in range(9)], (10, 3))
    report.front_figure(queries, tmp_path / "f.png", objectives=OBJECTIVES)
    [figure] = drawn
    low, _ = figure.axes[0].get_ylim()
    assert low > 50
    assert "1 off the scale" in [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    path = report.front_figure(
        queries, tmp_path / "front.svg", objectives=OBJECTIVES,
        reference={"acc": 50, "ms": 20}, title="edge",
    )  # fmt: skip
    assert path.read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"objectives": ["acc=max"]}, "two or more"),
        ({"reference": {"acc": 1.0}}, "give ms too"),
        ({"queries": run(None)}, "no feasible one"),
    ],
)
def test_bad_input_is_reported(tmp_path: Path, change: dict[str, object], said: str) -> None:
    given = {"queries": QUERIES, "objectives": OBJECTIVES, **change}
    queries = given.pop("queries")
    with pytest.raises(InvalidValueError, match=said):
        report.front_figure(queries, tmp_path / "front.png", **given)
