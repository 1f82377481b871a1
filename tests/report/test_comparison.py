"""The page of a comparison: who is ahead, each task, the tests, what made it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.browser import needs_chromium, visit
from tests.report.test_html import charts, read

from optiproxy import report
from optiproxy.errors import InvalidValueError
from optiproxy.report.analysis import analyse

RUN = {
    "command": "optiproxy compare easy hard --methods ours,theirs",
    "tasks": [{"name": "easy", "objectives": ["x=max"], "constraints": ["ms <= 3"]}],
    "searches": [{"searches": 48, "first": "2026-01-01", "last": "2026-01-02",
                  "machine": {"processor": "Fast CPU", "cores": 2}}],
    "commit": "abc123",
    "versions": {"torch": "2.9"},
}  # fmt: skip


def results(methods: tuple[str, ...] = ("ours", "theirs"), tasks: int = 2) -> dict[str, list[Any]]:
    """The first method is better by one on every seed; the optimum of the first task is known."""
    names = ("task", "method", "seed", "query", "best", "regret", "optimizer_seconds")
    rows = []
    for task in ("easy", "hard", "a-task-with-a-long-name-of-its-own")[:tasks]:
        for number, method in enumerate(methods):
            for seed in range(12):
                for query in range(1, 21):
                    best = 90 + query / 4 - number + seed / 100
                    regret = max(0.0, 95.0 - best) if task == "easy" else np.nan
                    rows.append((task, method, seed, query, best, regret, 0.1))
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def page(folder: Path, *args: Any, **options: Any) -> str:
    table = results(*args)
    path = report.comparison_report(table, analyse(table, [5, 20]), folder / "c.html", **options)
    return path.read_text("utf-8")


def test_it_opens_with_who_is_ahead_and_has_everything(tmp_path: Path) -> None:
    text = page(tmp_path, run=RUN, statements=["ours is better", "note: <few> seeds"])
    found = read(text)
    answer = (
        "After 20 queries ours has the best mean rank, 1.00 of 2; next is theirs with 2.00, more"
    )
    assert found.text.index(answer) < 200
    for said in (
        "2 methods on 2 tasks", "ours, theirs · 12 seeds · 5, 20 queries", "note: <few> seeds",
        "x=max, ms <= 3", "Regret, the distance of the best from the optimum", "Best value",
        "theirs 2.00 (2.00 by task)", "better", "optiproxy compare easy hard", "95.055 ± 0.036",
        "48 searches, 2026-01-01 to 2026-01-02, on Fast CPU, 2 cores", "commit abc123", "torch 2.9",
    ):  # fmt: skip
        assert said in found.text, said
    assert charts(found) == ["Mean ranks", "easy: convergence", "hard: convergence"]
    links = {a["href"] for _, a in found.seen if "href" in a}
    assert links == {f"#{a['id']}" for _, a in found.seen if "id" in a}
    # 5 and 20 queries on two tasks and on both together.
    assert found.text.count("theirs 12 ") + found.text.count("theirs 24 ") == 6


def test_one_method_on_one_task_has_no_ranks(tmp_path: Path) -> None:
    found = read(page(tmp_path, ("ours",), 1))
    assert "1 methods" not in found.text
    assert "ours alone" in found.text
    assert "There is one method alone." in found.text
    assert charts(found) == ["easy: convergence"]


def test_a_bad_path_is_refused(tmp_path: Path) -> None:
    table = results()
    with pytest.raises(InvalidValueError, match=r"ends in \.html"):
        report.comparison_report(table, analyse(table, [5]), tmp_path / "c.pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_into_the_window(tmp_path: Path, width: int) -> None:
    methods = tuple(f"optiproxy[n_init={n},acquisition=mean]" for n in range(9))
    table = results(methods, 3)
    path = report.comparison_report(
        table, analyse(table, [3, 5, 10, 15, 20]), tmp_path / "c.html", run=RUN
    )
    found = visit(path.read_text("utf-8"), tmp_path, width=width)
    assert found["console"] == []
    assert found["out"] == []
    assert found["scroll"] <= found["client"]
