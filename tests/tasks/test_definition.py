"""Tasks as JSON, whose queries other programs answer."""

from __future__ import annotations

import json
import pickle

import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.tasks import load
from optiproxy.tasks.definition import schema

SPACE = {"kind": "cell", "nodes": 3, "operations": ["none", "conv"]}
PLAIN = {"space": SPACE, "objectives": {"accuracy": "max", "latency_ms": "min"},
         "constraints": {"latency_ms": "<= 5"}, "reported": ["test"]}  # fmt: skip


def test_a_file_is_a_task_and_not_needed_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "edge.json"
    file.write_text(json.dumps(PLAIN))
    task = load("edge.json")
    assert task.name == "edge"
    assert task.space.count == 8
    assert [o.text for o in task.objectives] == ["accuracy=max", "latency_ms=min"]
    assert [str(c) for c in task.constraints] == ["latency_ms <= 5"]
    assert task.reported == ("test",)
    assert task.reference.file is None
    file.unlink()
    assert pickle.loads(pickle.dumps(task)).name == "edge"
    assert load(task.reference.text).space.fingerprint == task.space.fingerprint


def test_it_has_no_evaluator():
    task = load(json.dumps(PLAIN))
    for attempt in (task.prepare, lambda: task.query(task.space.sample(1)[0])):
        with pytest.raises(InvalidValueError, match="no evaluator: other programs answer"):
            attempt()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("none.json", "No such file"),
        ("list.json", "give a JSON object"),
        ("half.json", "it is no JSON"),
        ('{"space"', "is no JSON"),
        ("{}", "task.space: is missing; task.objectives: is missing"),
        (json.dumps({**PLAIN, "objectives": {"x": "up"}}), "give a direction"),
        (json.dumps({**PLAIN, "constraints": {"latency_ms": "<= 60%"}}), "give a number"),
        (json.dumps({**PLAIN, "budget": 3}), "task.budget: there is no such field"),
    ],
)
def test_mistakes_are_named(text, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "half.json").write_text('{"space": ')
    with pytest.raises(InvalidValueError, match=said):
        load(text)


def test_the_schema_describes_it():
    jsonschema = pytest.importorskip("jsonschema", reason="comes with the extra mcp")
    jsonschema.validate(PLAIN, schema())
