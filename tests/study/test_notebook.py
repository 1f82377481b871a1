"""A study in a notebook: how it is shown, and that it is shown while it runs."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from tests.report.test_html import read

import optiproxy as op
from optiproxy.study import _notebook

SPACE = op.spaces.Chain({"depth": [1, 2, 3], "<b>": [1, 2], "width": [8, 16]})


def made(**options):
    return op.Study(
        "a <study>", SPACE, lambda arch: float(arch["depth"] * arch["width"]),
        objectives={"score": "max"}, method="random", **options,
    )  # fmt: skip


def test_a_study_and_its_best_are_shown():
    study = made()
    assert "0 of 0 queries" not in study._repr_html_()
    study.run(6)
    page = read(study._repr_html_())
    assert "a <study>" in page.text
    assert "6 of 6 queries" in page.text
    assert f"score {study.best.metrics['score']:g} (query {study.best.query})" in page.text
    graphs = [a["class"] for tag, a in page.seen if tag == "svg" and "class" in a]
    assert graphs == ["graph wide", "graph narrow"]
    assert not {"script", "a", "link"} & {tag for tag, _ in page.seen}
    best = read(study.best._repr_html_())
    assert f"score {study.best.metrics['score']:g}" in best.text
    assert "queries" not in best.text


def test_failures_are_counted():
    def evaluate(arch):
        raise ValueError("no")

    study = op.Study("f", SPACE, evaluate, objectives={"score": "max"}, method="random")
    study.run(2)
    text = read(study._repr_html_()).text
    assert "2 of 2 queries, 2 failed" in text
    assert "no feasible result yet" in text


@pytest.fixture
def cell(monkeypatch):
    """What a notebook's cell shows, as a kernel of IPython would."""
    shown = []
    module = ModuleType("IPython")
    module.get_ipython = lambda: SimpleNamespace(kernel=object())
    handle = SimpleNamespace(update=lambda thing: shown.append(thing._repr_html_()))

    def display(thing, display_id):
        assert display_id
        shown.append(thing._repr_html_())
        return handle

    module.display = ModuleType("IPython.display")
    module.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", module.display)
    monkeypatch.setattr(_notebook, "PAUSE", 0.0)
    return shown


def test_a_running_study_is_shown_again_and_again(cell):
    seen = []
    made().run(4, callback=seen.append)
    assert len(seen) == 4
    assert ["0 of 4 queries" in cell[0], "4 of 4 queries" in cell[-1]] == [True, True]
    assert [sum(f"{n} of 4 queries" in text for text in cell) for n in range(5)] == [1, 1, 1, 1, 2]


def test_only_a_notebook_shows_it_and_only_if_it_may(cell, monkeypatch):
    made().run(2, progress=False)
    assert cell == []
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    made().run(2)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", SimpleNamespace)  # a terminal's
    made().run(2)
    assert cell == []
