"""The HTML report: complete, escaped, self-contained, the same for the same search."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.report.html import Search, html_report, render

VOID = {"meta", "br", "img", "link", "input", "hr"}
EMPTY = {"path", "circle", "rect", "polygon"}  # of an SVG; closed as <path/>


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

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        assert tag in EMPTY
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
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


DRAWING = {
    "title": "",
    "vertices": [
        {"kind": "input", "lines": ["input"]},
        {"kind": "operation", "lines": ["width", "a very wide one, of 32 channels"]},
        {"kind": "operation", "lines": ["conv"]},
        {"kind": "sum", "lines": []},
        {"kind": "output", "lines": ["output"]},
    ],
    "edges": [[0, 1], [0, 2], [1, 3], [2, 3], [3, 4], [0, 4]],
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
        "drawings": [DRAWING],
        "initial": 5,
        "seconds": {"total": 20.0, "optimizer": 4.0, "oracle": 12.0},
        "command": "optiproxy search mine.py:task --budget 40",
        "versions": {"optiproxy": "1.2.3"},
        **other,
    }
    return Search(**given)


VALUES = (50 + 40 * np.random.default_rng(0).random(30)).round(3).tolist()
QUERIES = [query(i + 1, value) for i, value in enumerate(VALUES)]


def charts(page: Balanced) -> list[str]:
    return [str(a["aria-label"]) for tag, a in page.seen if tag == "svg" and "class" not in a]


def test_the_answer_comes_first_and_everything_is_there() -> None:
    best = max(QUERIES, key=lambda q: q["metrics"]["val"])
    top, median = best["metrics"]["val"], np.median(VALUES[:5])
    far = {"optimum": 100.0, "regret": 0.75}
    page = read(render(search(QUERIES, **far, load=["optiproxy export edge-cell"])))
    assert page.text.index(f"Best val: {top:g}, found by query {best['query']}") < 200
    for text in (
        "edge-cell", "optiproxy with gp, seed 3", "val=max",
        f"{top - median:.6g} better than the median of the 5 random ones ({median:g})",
        "0.75 from the optimum",
        "30 queries of 40", "0 failed", "20 s in all",
        f"cost (only reported) {100 - top:g}", "optiproxy export edge-cell",
        "Nothing: no mode collapse", "variety of 20 queries in a row",
        "proposing 4.0 s 20 %", "evaluating 12 s 60 %", "storage and waiting 4.0 s 20 %",
        "slowest evaluation", "this process 30 0 15 s",
        "The 10 best", "optiproxy search mine.py:task --budget 40", "optiproxy 1.2.3",
    ):  # fmt: skip
        assert text in page.text, text
    assert all(f"arch-{q['query']}" in page.text for q in QUERIES)
    assert "Pareto" not in page.text
    rows = [attributes for tag, attributes in page.seen if tag == "tr" and "id" in attributes]
    assert sum(attributes.get("class") == "best" for attributes in rows) == 1
    assert charts(page) == ["Best val so far", "Variety of 20 queries in a row"]


def test_large_numbers_are_short_and_written_alike() -> None:
    page = read(render(search([query(i, 1e6 * i) for i in range(1, 10)])))
    assert "Best val: 9,000,000" in page.text
    assert "6,000,000 better than the median of the 5 random ones (3,000,000)" in page.text
    diverged = [query(i, -(10.0 ** (10 * i))) for i in range(1, 10)]
    page = read(render(search(diverged)))
    assert "-1e+90" in page.text
    assert not re.search(r"[\d,]{25}", page.text)


def test_nothing_comes_from_outside_and_every_link_leads_somewhere() -> None:
    page = read(render(search(QUERIES)))
    assert not {"img", "link", "iframe"} & {tag for tag, _ in page.seen}
    assert not any({"src", "srcset", "onclick"} & set(attributes) for _, attributes in page.seen)
    ids = {f"#{attributes['id']}" for _, attributes in page.seen if "id" in attributes}
    links = {attributes["href"] for _, attributes in page.seen if "href" in attributes}
    assert links
    assert links <= ids
    assert "url(" not in render(search(QUERIES))


def test_only_our_script_may_run() -> None:
    text = render(search(QUERIES))
    script = re.search(r"<script>(.*)</script>", text, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_the_architecture_is_drawn_in_both_directions() -> None:
    text = render(search(QUERIES))
    drawn = re.findall(r'<svg class="graph (\w+)".*?</svg>', text)
    assert drawn == ["wide", "narrow"]
    page = read(text)
    assert page.text.count("a very wide one, of 32 channels") == 2  # whole, on hover
    assert page.text.count("a very wide one, of 3…") == 2
    assert sum(a.get("class") == "sum" for _, a in page.seen) == 2


def test_what_a_choice_is_worth_is_told_with_its_error() -> None:
    options = [
        {"option": 1, "worth": -2.5, "error": 0.5, "queries": 3},
        {"option": 2, "worth": 2.5, "error": 0.25, "queries": 1},
        {"option": None, "worth": float("nan"), "error": 0.0, "queries": 0},
    ]
    choice = {"choice": "a", "moves": 2.5, "error": 0.4, "options": options}
    weak = {"choice": "b", "moves": 0.1, "error": 0.4, "options": options[:1]}
    named = [{**o, "option": f"n{o['option']}"} for o in options]
    words = {"choice": "c", "moves": 0.2, "error": 0.1, "options": named}
    page = read(render(search(QUERIES, sensitivities=[weak, choice, words], judge="gp")))
    assert "as the proxy gp predicts it" in page.text
    told = page.text[page.text.index("Which choices matter") : page.text.index("The 10 best")]
    # Numbers stand in order, other options from the best to the worst.
    assert told.index("a: 2.5 ± 0.4 1 -2.5 ± 0.5") < told.index("2 +2.5 ± 0.25")
    assert told.index("c: 0.2 ± 0.1 n2 +2.5 ± 0.25") < told.index("n1 -2.5 ± 0.5")
    assert told.index("a: 2.5") < told.index("c: 0.2") < told.index("b: 0.1 ± 0.4 (may be none)")
    assert "None" not in told  # It could not be tried.


def test_predictions_are_set_against_measurements() -> None:
    queries = [{**q, "predicted": q["metrics"]["val"] + 1} for q in QUERIES]
    page = read(render(search(queries)))
    assert {"Predicted and measured", "Rank correlation, 20 queries each"} <= set(charts(page))
    assert "last 25 queries 1.00 0 is chance, give or take 0.20, and 1 is perfect" in page.text
    few = read(render(search(queries[:14])))
    assert "rank correlation of prediction" not in few.text


def test_the_cheapest_of_the_nearly_best_is_named() -> None:
    pairs = [(90.0, 5.0), (89.5, 2.0), (89.9, 4.0), (80.0, 1.0)]
    queries = [
        query(i, v, metrics={"val": v, "latency_ms": ms}) for i, (v, ms) in enumerate(pairs, 1)
    ]
    page = read(render(search(queries, constraints=["latency_ms <= 5"])))
    assert "Within 1 % of it, query 2 has the best latency_ms: 2 instead of 5" in page.text
    assert "<= 5 ✓" in page.text


def test_how_a_metric_was_measured_is_said() -> None:
    fields = {"latency_ms": 0.5, "runtime": "onnx", "device": "Chip", "threads": 2, "repeats": 30,
              "iqr_ms": 0.012, "versions": {"onnxruntime": "1.2"}, "others": {}}  # fmt: skip
    page = read(render(search(QUERIES, measured={"latency_ms": fields, "b": {}}, start="initial")))
    said = (
        "by onnx, on Chip, 2 threads, median of 30 runs, quartiles 0.012 ms apart, onnxruntime 1.2"
    )
    assert f"How it was measured latency_ms {said}" in page.text
    assert "than the median of the 5 initial ones" in page.text


def test_repeated_evaluations_count_by_their_mean_and_are_listed() -> None:
    lucky = query(1, 90.0, repeats=[{"val": 80.0, "cost": 10.0}, None])
    steady = query(2, 86.0, repeats=[{"val": 87.0, "cost": 14.0}, {"val": 88.0, "cost": 12.0}])
    page = read(render(search([lucky, steady])))
    assert "Best val: 87, found by query 2" in page.text
    assert "Evaluated 3 times: val 86, 87, 88 (mean 87, standard deviation 1)" in page.text
    # The study may know better, by a model of all queries.
    page = read(render(search([lucky, steady], best=1)))
    assert "Best val: 85, found by query 1" in page.text


def test_what_the_best_share_is_named() -> None:
    queries = [
        query(i, 50.0 + i, architecture={"a": int(i > 18), "b": i % 4, "c": None if i > 18 else 1})
        for i in range(1, 31)
    ]
    page = read(render(search(queries)))
    assert "a is 1 in 10 of 10 (40 % of all queries)" in page.text
    assert "b is" not in page.text
    assert "c is" not in page.text  # It is inactive.


def test_what_the_best_share_by_chance_is_not_named() -> None:
    """Nine of ten queries have the option, and so have nine of the ten best."""
    queries = [query(i, 50.0 + i, architecture={"a": int(i % 10 > 0)}) for i in range(1, 61)]
    assert "a is" not in read(render(search(queries))).text


def test_hostile_names_are_text() -> None:
    bad = '<script>alert("x")</script>&'
    queries = [query(1, None, failed=bad), *QUERIES[1:]]
    hostile = search(queries, name=bad, task=bad, command=bad, texts=[bad] * len(queries))
    text = render(hostile)
    assert text.count("<script") == 1  # our own
    page = read(text)
    assert page.text.count(bad) > len(queries)


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
        ", all limits kept", "26 broke a limit", "3 failed",
        "3 of 30 evaluations failed: MemoryError: out of memory",
        "constraint: 20 of the last 20 results break cost <= 1; the nearest to it",
        "Remedy: loosen the limit", "found by query 9", "predicted", "(query 10, 20, 30)",
    ):  # fmt: skip
        assert text in page.text
    classes = [a.get("class") for tag, a in page.seen if tag == "tr" and "id" in a]
    assert (classes.count("failed"), classes.count("broken"), classes.count("best")) == (3, 26, 1)


def test_nothing_found_is_said() -> None:
    failed = [query(i, None) for i in range(1, 4)]
    assert "None: every evaluation failed." in read(render(search(failed))).text
    broken = [{**q, "feasible": False} for q in QUERIES[:3]]
    page = read(render(search(broken, constraints=["cost <= 1"])))
    assert "None: nothing that was measured keeps cost <= 1." in page.text


def test_several_objectives_have_a_front() -> None:
    page = read(render(search(QUERIES, objectives=["val=max", "cost=min"], pareto=[2, 5])))
    assert "Pareto front 2 feasible architectures" in page.text
    front = page.text[page.text.index("Pareto front") : page.text.index("The 10 best")]
    assert set(re.findall(r"arch-\d+", front)) == {"arch-2", "arch-5"}


def test_the_front_is_drawn_beside_the_hypervolume() -> None:
    several = {"objectives": ["val=max", "cost=min"], "pareto": [2, 5]}
    found = charts(read(render(search(
        QUERIES, **several, seeds={3: QUERIES, 4: QUERIES[:9], 5: [query(1, None)]}
    ))))  # fmt: skip
    assert {"Front of val and cost", "Hypervolume"} <= set(found)
    page = read(render(search(QUERIES, objectives=["val=max", "cost=min"])))  # nothing feasible
    assert "Hypervolume" not in charts(page)


def test_the_knee_is_the_point_beyond_the_line_of_the_ends() -> None:
    values = [(90, 9), (89, 3), (80, 1), (84, 2.9)]
    queries = [query(i, v, metrics={"val": v, "cost": c}) for i, (v, c) in enumerate(values, 1)]
    page = read(render(search(queries, objectives=["val=max", "cost=min"], pareto=[1, 2, 3, 4])))
    assert "The knee, where more of one costs most of another: query 2." in page.text


def test_short_trainings_are_no_rivals_and_what_was_dropped_is_counted() -> None:
    short = [{**q, "epochs": 2} for q in QUERIES[:12]]
    best = max(QUERIES[12:], key=lambda q: q["metrics"]["val"])
    short[3]["metrics"] = {"val": 99.9, "cost": 0.1}
    dropped = [
        query(1, 3.0, metrics={"cost": 300.0}, reason="cost <= 99", text="big") for _ in "1234567"
    ]
    page = read(render(search([*short, *QUERIES[12:]], dropped=dropped)))
    assert f"Best val: {best['metrics']['val']:g}" in page.text
    assert page.text.count("cost <= 99 big") == 7
    assert "of the 5 random ones" not in page.text
    assert "7 more broke a limit before training" in page.text


def test_other_seeds_are_a_band() -> None:
    seeds = {3: QUERIES, 4: QUERIES[::-1]}
    page = read(render(search(QUERIES, seeds=seeds)))
    assert "the same search with 2 seeds (3, 4)" in page.text
    assert "2 seeds: mean and 95 % interval" in charts(page)
    assert "with 2 seeds" not in render(search(QUERIES, seeds={3: QUERIES}))


@pytest.mark.parametrize(("name", "said"), [("r.pdf", "ends in .html"), ("no/r.html", "folder")])
def test_a_bad_path_is_reported(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        html_report(search(QUERIES), tmp_path / name)
    with pytest.raises(InvalidValueError, match="no query yet"):
        html_report(dataclasses.replace(search([])), tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def long_texts(queries: list[dict[str, Any]]) -> list[str]:
    return [f"arch-{q['query']} {'x' * 90}" for q in queries]


def test_of_long_architectures_what_differs_from_the_best_is_shown() -> None:
    layers = {f"layer{i}": "conv" for i in range(8)}
    others = [{}, {"layer3": "skip", "layer7": None}, dict.fromkeys(layers, "skip")]
    queries = [query(i, 90.0 - i, architecture={**layers, **o}) for i, o in enumerate(others, 1)]
    page = read(render(search(queries, texts=long_texts(queries))))
    top = page.text[page.text.index("The 3 best") : page.text.index("Where the time went")]
    assert "as query 1, but layer3 skip, layer7 inactive" in top
    assert "arch-1 x" in top
    assert "arch-2 x" not in top
    assert "arch-3 x" in top  # Everything differs.
    assert "arch-2 x" in page.text[page.text.index("All queries") :]
    short = read(render(search(queries)))
    assert "but layer3" not in short.text


def test_where_nothing_keeps_a_limit_the_nearest_is_named() -> None:
    queries = [{**query(i, 50.0 + i), "feasible": False} for i in range(1, 6)]
    page = read(render(search(queries, constraints=["cost <= 10", "val >= 52"])))
    assert "nothing that was measured keeps cost <= 10 and val >= 52. " in page.text
    assert "The nearest cost is 45 (query 5)." in page.text
    assert "nearest val" not in page.text


def test_repeated_evaluations_are_part_of_the_budget() -> None:
    queries = [query(1, 90.0), query(2, 86.0, repeats=[{"val": 87.0}, None])]
    assert "2 queries and 2 repeats " in read(render(search(queries, budget=4))).text
    assert "2 queries and 2 repeats, of 5 " in read(render(search(queries, budget=5))).text


def test_a_chain_takes_as_few_rows_as_its_width_allows() -> None:
    def drawn(count: int, text: str) -> list[tuple[float, float]]:
        kinds = ["input", *["operation"] * count, "output"]
        chain = {
            "title": "",
            "vertices": [{"kind": kind, "lines": [text]} for kind in kinds],
            "edges": [[i, i + 1] for i in range(count + 1)],
        }
        page = render(search(QUERIES, drawings=[chain]))
        sizes = re.findall(r'class="graph \w+".*?viewBox="\S+ \S+ (\S+) (\S+)"', page)
        return [(float(width), float(height)) for width, height in sizes]

    one, (wide, narrow) = drawn(1, "conv"), drawn(9, "conv")
    assert wide[1] == one[0][1] < narrow[1]
    assert wide[0] <= 970
    assert narrow[0] <= 356
    assert drawn(9, "a long name of 22 cars")[0][0] <= 970
