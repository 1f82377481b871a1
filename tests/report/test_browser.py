"""The pages as readers see them: in a browser, on a phone, in the dark."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from tests.report.browser import needs_chromium, visit

import optiproxy as op

pytestmark = [pytest.mark.slow, needs_chromium]

LONG = "a-rather-long-name-of-an-operation-without-any-space-in-it"
READ = """
const charts = [...page.querySelectorAll("figure.plot svg")];
const graphs = [...page.querySelectorAll("svg.graph")];
return {
  charts: charts.map((e) => e.getAttribute("aria-label")),
  empty: charts.filter((e) => !e.querySelector(".line, circle, .band")).length,
  overlap: [...page.querySelectorAll("#best .columns")].some((e) => {
    const [left, right] = [...e.children].map((c) => c.getBoundingClientRect());
    const ends = [...e.children[0].querySelectorAll("td")].map((c) => c.getBoundingClientRect());
    return right.top < left.bottom && Math.max(...ends.map((c) => c.right)) > right.left;
  }),
  graphs: graphs.filter((e) => e.getBoundingClientRect().width).map((e) => e.getAttribute("class")),
  paper: view.getComputedStyle(page.body).backgroundColor,
};"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a search with limits, a front, failures, drops and long names."""
    space = op.spaces.Conditional(
        {"stem": [8, 16, 32], "s1.op": ["conv", "pool", LONG], "s1.kernel": [3, 5, 7],
         "s2.op": ["conv", "pool"], "s2.kernel": [3, 5, 7], "width": [64, 128, 256]},
        when={"s1.kernel": {"s1.op": ["conv"]}, "s2.kernel": {"s2.op": ["conv"]}},
    )  # fmt: skip
    noise = np.random.default_rng(0)

    def train(arch: op.Architecture) -> dict[str, float]:
        if noise.random() < 0.1:
            raise MemoryError(f"no room for {LONG * 3}")
        kernels = sum(float(arch[f"s{i}.kernel"] or 0) for i in (1, 2))
        return {
            "val_accuracy": 60 + arch["stem"] / 4 + kernels / 2 + noise.normal(),
            "seconds": 3.0,
            **{f"a_cost_of_the_network_{i}": 0.000123 * i * arch["stem"] for i in range(7)},
        }

    study = op.Study(
        "report", space, train,
        objectives={"val_accuracy": "max", "latency_ms": "min"}, constraints={"latency_ms": "<= 5"},
        metrics=[op.Metric("latency_ms", lambda a: a["stem"] / 10 + a["width"] / 100, cheap=True)],
        reported=["seconds"],
    )  # fmt: skip
    study.run(40)
    return study.html()


@pytest.mark.parametrize("width", [1280, 800, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_overflows_and_every_figure_is_there(
    page: str, tmp_path: Path, width: int, dark: bool
) -> None:
    found = visit(page, tmp_path, width=width, dark=dark, read=READ)
    assert found["console"] == []
    assert found["scroll"] <= found["client"], found["out"]
    assert found["out"] == []
    assert found["charts"] == [
        "Best val_accuracy so far", "val_accuracy against latency_ms",
        "Front of val_accuracy and latency_ms", "Hypervolume", "Predicted and measured",
        "Rank correlation, 20 queries each", "Variety of 20 queries in a row",
    ]  # fmt: skip
    assert found["empty"] == 0
    assert not found["overlap"]
    assert found["graphs"] == ["graph wide" if width > 704 else "graph narrow"]
    assert found["paper"] == ("rgb(20, 25, 31)" if dark else "rgb(255, 255, 255)")


def test_the_script_shows_sorts_and_filters(page: str, tmp_path: Path) -> None:
    read = """
    const link = page.querySelector(".plot a[href='#q1']");
    link.dispatchEvent(new view.MouseEvent("mouseenter"));
    const tip = page.getElementById("tip"), table = page.getElementById("q1").closest("table");
    const head = [...table.tHead.rows[0].cells].find((c) => c.dataset.sort === "val_accuracy");
    const values = () => [...table.tBodies[0].rows].map((r) =>
      [...r.cells].find((c) => c.dataset.name === "val_accuracy")?.dataset.value ?? null);
    const found = { tip: tip.hidden ? "" : tip.textContent };
    head.click(); found.up = values();
    head.click(); found.down = values();
    const input = table.parentElement.querySelector("input");
    found.tools = !input.closest(".tools").hidden;
    input.value = "MemoryError";
    input.dispatchEvent(new view.Event("input"));
    found.rows = [...table.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.className);
    return found;"""
    found = visit(page, tmp_path, width=1280, read=read)
    assert found["console"] == []
    assert found["tip"].startswith("query 1")
    assert '"s1.op"' in found["tip"]
    for order, name in ((1, "up"), (-1, "down")):
        values = [float(value) for value in found[name] if value is not None]
        assert values == sorted(values)[::order]
        # What failed has no value, and stands last.
        assert found[name][len(values) :] == [None] * (len(found[name]) - len(values))
    assert found["tools"]
    assert found["rows"]
    assert set(found["rows"]) == {"failed"}


def test_300_queries_are_a_page_in_no_time(tmp_path: Path) -> None:
    space = op.spaces.Cell(4, op.spaces.NB201_OPERATIONS)
    study = op.Study(
        "large", space, lambda arch: {"x": float(hash(arch) % 97)}, objectives={"x": "max"},
        method="random",
    )  # fmt: skip
    study.run(300)
    study.html()  # imports
    before = time.process_time()
    text = study.html()
    assert time.process_time() - before < 3
    assert len(text.encode()) < 3e6
    assert visit(text, tmp_path, width=390)["out"] == []
