"""Hypervolume over queries: areas done by hand, and the figure that states its reference."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from optiproxy import report
from optiproxy.errors import InvalidValueError

OBJECTIVES = ["acc=max", "ms=min"]


def _run(*pairs: tuple[float, float] | None) -> list[dict[str, object]]:
    return [
        {
            "query": n,
            "architecture": {},
            "metrics": {} if pair is None else {"acc": pair[0], "ms": pair[1]},
            "feasible": pair is not None,
        }
        for n, pair in enumerate(pairs, start=1)
    ]


def test_areas_by_hand() -> None:
    values = [[50, 5], [math.nan, 1], [60, 8], [40, 9], [90, 1], [55, 2], [70, 11]]
    feasible = [True, False, True, True, False, True, True]
    course = report.hypervolume_so_far(values, feasible, [1, -1], [40, 10])
    # (50, 5): 10 x 5. (60, 8) adds 10 x 2. (40, 9) only touches the reference, the infeasible one
    # and the one beyond 10 ms add nothing. (55, 2) adds 10 x 3 and 5 x 6.
    assert course.tolist() == [50, 50, 70, 70, 70, 130, 130]


def test_three_objectives_and_order_do_not_matter_at_the_end() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((30, 3))
    courses = [
        report.hypervolume_so_far(v, np.ones(30), [1, 1, -1], [0, 0, 1])
        for v in (values, values[::-1])
    ]
    assert courses[0][-1] == pytest.approx(courses[1][-1])
    assert (np.diff(courses[0]) >= 0).all()
    inside = rng.random((20_000, 3))
    better = values * [1, 1, -1]
    covered = (inside[:, None] * [1, 1, -1] <= better).all(-1).any(-1).mean()
    assert courses[0][-1] == pytest.approx(covered, abs=0.02)


def test_figure_states_the_reference_and_draws_each_label(tmp_path: Path) -> None:
    searches = {
        "ours": [_run((50, 5), (60, 8)), _run(None, (55, 2), (60, 4))],
        "random": [_run((40, 9), (45, 9.5))],
    }
    path = report.hypervolume_figure(searches, tmp_path / "hv.svg", objectives=OBJECTIVES)
    assert report.hypervolume.reference_of(searches, OBJECTIVES) == {"acc": 40, "ms": 9.5}
    assert path.read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"objectives": ["acc=max"]}, "two or more"),
        ({"reference": {"acc": 1.0}}, "give ms too"),
        ({"searches": {"ours": []}}, "at least one query"),
        ({"searches": {"ours": [_run(None)]}}, "no feasible query"),
    ],
)
def test_bad_input_is_reported(tmp_path: Path, change: dict[str, object], said: str) -> None:
    given = {"searches": {"ours": [_run((1, 1))]}, "objectives": OBJECTIVES, **change}
    searches = given.pop("searches")
    with pytest.raises(InvalidValueError, match=said):
        report.hypervolume_figure(searches, tmp_path / "hv.png", **given)
