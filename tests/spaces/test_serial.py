"""Spaces as JSON."""

from __future__ import annotations

import json

import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Cell, Chain, Conditional, Macro
from optiproxy.spaces.serial import from_json, schema, to_json

SPACES = [
    Chain({"depth": [1, 2, 3], "norm": [None, "batch"], "skip": [True, False], "rate": [0.5, 1.0]}),
    Cell(4, ["none", "skip", "conv"]),
    Conditional(
        {"op": ["conv", "pool", "skip"], "kernel": [3, 5], "groups": [1, 2]},
        when={"kernel": {"op": ["conv", "pool"]}, "groups": [{"op": ["conv"]}, {"kernel": [3]}]},
    ),
    Chain({"a": [1, 2], "b": [1, 2]}, where=["a <= b"]),
    Conditional({"a": [1, 2], "b": [1, 2]}, {"b": {"a": [2]}}, where=["a == b"]),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda s: type(s).__name__)
def test_a_space_comes_back_from_its_json(space):
    plain = json.loads(json.dumps(to_json(space)))
    again = from_json(plain)
    assert type(again) is type(space)
    assert again.fingerprint == space.fingerprint
    assert to_json(again) == plain
    (arch,) = space.sample(1)
    assert again.architecture(arch.to_json()) == arch


@pytest.mark.parametrize("space", SPACES, ids=lambda s: type(s).__name__)
def test_the_schema_describes_what_is_written(space):
    jsonschema = pytest.importorskip("jsonschema", reason="comes with the extra mcp")
    jsonschema.validate(to_json(space), schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**to_json(space), "more": 1}, schema())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"choices": {}}, "'kind'"),
        ({"kind": "chian", "choices": {}}, "'chain', 'conditional', 'cell'"),
        ({"kind": "chain"}, "space.choices: is missing"),
        ({"kind": "cell", "nodes": "4", "operations": ["a"], "edges": 3},
         r"space.nodes: got '4'; .*; space.edges: there is no such field"),
        ({"kind": "chain", "choices": {"a": [[1]]}}, r"a.0: got \[1\]; .* boolean or input"),
        ({"kind": "chain", "choices": {"a": [1, 1]}}, "listed twice"),
        ([], r"space: got \[\]"),
    ],
)  # fmt: skip
def test_mistakes_are_named(wrong, said):
    with pytest.raises(InvalidValueError, match=said):
        from_json(wrong)


def test_a_class_of_its_own_is_no_json():
    class Mine(Chain):
        pass

    for space in (Mine({"a": [1, 2]}), Macro()):
        with pytest.raises(InvalidValueError, match="only a Chain, a Conditional or a Cell"):
            to_json(space)
