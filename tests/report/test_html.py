"""The HTML report: complete, escaped, self-contained, the same for the same search."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.report.html import Search, html_report, render

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Balanced(HTMLParser):
    """Reads a page, and fails where a tag is closed that is not the open one."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())
        self.text += " " * (tag in ("td", "th"))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    parser.text = " ".join(parser.text.split())
    return parser


def query(number: int, value: float | None, **other: Any) -> dict[str, Any]:
    metrics = {} if value is None else {"val": value, "cost": 100.0 - value}
    return {
        "query": number,
        "architecture": {"a": number % 7, "b": number % 5},
        "metrics": metrics,
        "feasible": value is not None,
        "failed": "" if value is not None else "MemoryError: out of memory",
        "predicted": None,
        "seconds": 0.5,
        "optimizer_seconds": 0.1,
        **other,
    }


def search(queries: list[dict[str, Any]], **other: Any) -> Search:
    given: dict[str, Any] = {
        "name": "edge-cell",
        "task": "edge",
        "space": "Chain(2 choices, 35 architectures)",
        "method": "optiproxy",
        "proxy": "gp",
        "seed": 3,
        "budget": 40,
        "objectives": ["val=max"],
        "constraints": [],
        "reported": ["cost"],
        "queries": queries,
        "texts": [f"arch-{q['query']}" for q in queries],
        "picture": "a  4",
        "initial": 5,
        "seconds": {"total": 20.0, "optimizer": 4.0, "oracle": 12.0},
        "command": "optiproxy search mine.py:task --budget 40",
        "versions": {"optiproxy": "1.2.3"},
        **other,
    }
    return Search(**given)


VALUES = (50 + 40 * np.random.default_rng(0).random(30)).round(3).tolist()
QUERIES = [query(i + 1, value) for i, value in enumerate(VALUES)]


def test_everything_that_was_promised_is_there() -> None:
    page = read(render(search(QUERIES, optimum=100.0)))
    best = max(QUERIES, key=lambda q: q["metrics"]["val"])
    for text in (
        "edge-cell", "optiproxy with gp, seed 3", "val=max",
        f"{best['metrics']['val']:g} best val",
        f"{100 - best['metrics']['val']:g} regret",
        "30 queries of 40", "0 failed", "20 s in all",
        f"cost (only reported) {100 - best['metrics']['val']:g}",
        f"found by query {best['query']}",
        f"median val of the 5 random ones {np.median(VALUES[:5]):g}",
        "Nothing: no mode collapse", "variety of 20 queries in a row",
        "proposing 4.0 s 20 %", "evaluating 12 s 60 %", "storage and waiting 4.0 s 20 %",
        "slowest evaluation", "optiproxy search mine.py:task --budget 40", "optiproxy 1.2.3",
    ):  # fmt: skip
        assert text in page.text
    assert all(f"arch-{q['query']}" in page.text for q in QUERIES)
    assert "Pareto" not in page.text
    rows = [attributes for tag, attributes in page.seen if tag == "tr"]
    assert sum(attributes.get("class") == "best" for attributes in rows) == 1


def test_nothing_comes_from_outside() -> None:
    page = read(render(search(QUERIES)))
    images = [attributes for tag, attributes in page.seen if tag == "img"]
    assert len(images) == 2
    for image in images:
        assert (image["src"] or "").startswith("data:image/svg+xml;base64,")
        assert image["alt"]
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.seen}
    assert not any("href" in attributes for _, attributes in page.seen)
    assert "url(" not in render(search(QUERIES))


def test_hostile_names_are_text() -> None:
    bad = '<script>alert("x")</script>&'
    queries = [query(1, None, failed=bad), *QUERIES[1:]]
    hostile = search(
        queries, name=bad, task=bad, picture=bad, command=bad, texts=[bad] * len(queries)
    )
    text = render(hostile)
    assert "<script" not in text
    page = read(text)
    assert page.text.count(bad) > len(queries)


@pytest.mark.slow
def test_the_same_search_is_the_same_file(tmp_path: Path) -> None:
    assert render(search(QUERIES)) == render(search(QUERIES))
    out = html_report(search(QUERIES), tmp_path / "r.html")
    assert out.read_text("utf-8") == render(search(QUERIES))
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_limits_failures_and_warnings_are_reported() -> None:
    queries = [
        query(q["query"], None)
        if q["query"] % 10 == 0
        else {**q, "feasible": q["query"] == 9, "predicted": 1.0}
        for q in QUERIES
    ]
    page = read(render(search(queries, constraints=["cost <= 1"])))
    for text in (
        "val, all limits kept", "26 broke a limit", "3 failed",
        "3 of 30 evaluations failed: MemoryError: out of memory",
        "constraint: 20 of the last 20 results break cost <= 1; the nearest to it",
        "Remedy: loosen the limit", "found by query 9", "predicted",
    ):  # fmt: skip
        assert text in page.text
    classes = [attributes.get("class") for tag, attributes in page.seen if tag == "tr"]
    assert (classes.count("failed"), classes.count("broken"), classes.count("best")) == (3, 26, 1)


def test_nothing_found_is_said() -> None:
    failed = [query(i, None) for i in range(1, 4)]
    assert "None: every evaluation failed." in read(render(search(failed))).text
    broken = [{**q, "feasible": False} for q in QUERIES[:3]]
    page = read(render(search(broken, constraints=["cost <= 1"])))
    assert "None: nothing that was measured keeps cost <= 1." in page.text
    assert "– best val" in page.text


@pytest.mark.slow
def test_several_objectives_have_a_front() -> None:
    page = read(render(search(QUERIES, objectives=["val=max", "cost=min"], pareto=[2, 5])))
    assert "Pareto front 2 feasible architectures" in page.text
    front = page.text[page.text.index("Pareto front") : page.text.index("Where the time went")]
    assert re.findall(r"arch-\d+", front) == ["arch-2", "arch-5"]


@pytest.mark.slow
def test_the_front_is_drawn_beside_the_hypervolume() -> None:
    def images(**other: Any) -> list[str]:
        page = read(render(search(QUERIES, **other)))
        return [str(a["alt"]) for tag, a in page.seen if tag == "img"]

    alt = "The front among all queries, and the hypervolume over queries"
    several = {"objectives": ["val=max", "cost=min"], "pareto": [2, 5]}
    assert alt in images(**several, seeds={3: QUERIES, 4: QUERIES[:9], 5: [query(1, None)]})
    assert alt not in images(objectives=["val=max", "cost=min"])  # nothing feasible


def test_short_trainings_are_no_rivals_and_what_was_dropped_is_counted() -> None:
    short = [{**q, "epochs": 2} for q in QUERIES[:12]]
    best = max(QUERIES[12:], key=lambda q: q["metrics"]["val"])
    short[3]["metrics"] = {"val": 99.9, "cost": 0.1}
    page = read(render(search([*short, *QUERIES[12:]], dropped=7)))
    assert f"{best['metrics']['val']:g} best val" in page.text
    assert "of the 5 random ones" not in page.text
    assert "7 more broke a limit before training" in page.text


@pytest.mark.slow
def test_other_seeds_are_a_band() -> None:
    seeds = {3: QUERIES, 4: QUERIES[::-1]}
    page = read(render(search(QUERIES, seeds=seeds)))
    assert "The same search with 2 seeds (3, 4)" in page.text
    assert sum(tag == "img" for tag, _ in page.seen) == 3
    assert "with 2 seeds" not in render(search(QUERIES, seeds={3: QUERIES}))


@pytest.mark.parametrize(("name", "said"), [("r.pdf", "ends in .html"), ("no/r.html", "folder")])
def test_a_bad_path_is_reported(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        html_report(search(QUERIES), tmp_path / name)
    with pytest.raises(InvalidValueError, match="no query yet"):
        html_report(dataclasses.replace(search([])), tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []
