"""What --warm-start reads."""

from __future__ import annotations

import json

import pytest

from optiproxy.cli._answer import answer_text
from optiproxy.cli._earlier import earlier_searches
from optiproxy.errors import InvalidValueError
from optiproxy.search._earlier import read_earlier
from optiproxy.spaces import Chain
from optiproxy.study import Study
from optiproxy.tasks import Task

SPACE = Chain({f"c{i}": [0, 1, 2, 3] for i in range(3)})


def evaluate(arch, epochs=10):
    return {"score": float(sum(arch.values()) + 100 * (epochs == 10))}


def test_a_file_of_an_answer_is_read_apart_by_fidelity(tmp_path):
    task = Task("t", SPACE, evaluate, objectives="score=max", fidelities=(1, 10))
    task = task.replaced(low_fidelity=1)
    study = Study.of(task, method="random")
    study.run(12)
    file = tmp_path / "earlier.json"
    file.write_text(answer_text(study, 12))
    found = read_earlier(SPACE, earlier_searches([str(file)], None), task.objectives)
    short, full = (
        [r.metrics["score"] for r in study.queries if (r.epochs is None) == in_full]
        for in_full in (False, True)
    )
    assert [list(part.values("score")) for part in found] == [short, full]


def test_another_file_is_told(tmp_path):
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"trajectory": [{"architecture": {}}]}))
    with pytest.raises(InvalidValueError, match="a file that `optiproxy search --json` wrote"):
        earlier_searches([str(file)], None)
