"""What a search shows while it runs."""

from __future__ import annotations

import logging

import pytest

import optiproxy as op
from optiproxy.cli import _progress
from optiproxy.study import Study


def test_scoring_is_shown_before_the_first_query(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_progress, "_PAUSE", 0.0)
    space = op.spaces.Chain({"width": [1, 2, 3]})
    task = op.Task("t", space, lambda arch: float(arch["width"]), objectives={"y": "max"})
    with _progress.SearchProgress(Study(task, method="random"), 5):
        logging.getLogger("optiproxy.scores").info("scoring untrained networks: 4 of 100")
    logging.getLogger("optiproxy.scores").info("not shown any more")
    assert capsys.readouterr().err == "scoring untrained networks: 4 of 100\n"
