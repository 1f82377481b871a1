"""Architectures as the authors' code hands them over: text, loaded files, objects."""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.spaces import (
    NB101_OPERATIONS,
    NB201_OPERATIONS,
    Cell,
    Chain,
    Conditional,
    Darts,
    GnnDag,
    Graph,
    Macro,
    Pool,
    Recurrent,
    Space,
)

DARTS, NB201 = Darts(), Cell(4, NB201_OPERATIONS)
NB101 = Graph(7, NB101_OPERATIONS, max_edges=9)
CHAIN = Chain({"width": [16, 32], "drop": [0.1, 0.5], "se": [False, True], "act": ["relu", None]})

NORMAL = [
    ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 0), ("sep_conv_3x3", 1),
    ("skip_connect", 0), ("dil_conv_5x5", 1), ("sep_conv_3x3", 4), ("skip_connect", 2),
]  # fmt: skip
REDUCE = [("max_pool_3x3", i % 2) if i < 4 else ("skip_connect", i % 2 + 1) for i in range(8)]
Genotype = namedtuple("Genotype", "normal normal_concat reduce reduce_concat")
GENOTYPE = Genotype(NORMAL, range(2, 6), REDUCE, [2, 3, 4, 5])
PRINTED = str(GENOTYPE)


def _by_nodes(pairs: list[Any]) -> list[Any]:
    return [pairs[i : i + 2] for i in range(0, 8, 2)]


def _as_dict() -> dict[str, Any]:
    return {"normal": NORMAL, "normal_concat": [2, 3, 4, 5], "reduce": REDUCE}


def _numpy() -> dict[str, Any]:
    pairs = {
        cell: [(op, np.int64(i)) for op, i in _as_dict()[cell]] for cell in ("normal", "reduce")
    }
    return {**pairs, "reduce_concat": np.arange(2, 6)}


STRUCTURE = [(("none", 0),), (("avg_pool_3x3", 0), ("none", 1)),
    (("skip_connect", 0), ("nor_conv_1x1", 1), ("nor_conv_3x3", 2))]  # fmt: skip
TEXT201 = "|none~0|+|avg_pool_3x3~0|none~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
MATRIX = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
OPERATIONS = ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
RECIPE = {
    "node_0": {"op": "linear", "input": ["x", "h_prev_0"]},
    "h_new_0": {"op": "activation_tanh", "input": ["node_0"]},
}
RAW = {"width": 32, "drop": 0.1, "se": True, "act": None}


@dataclass
class Arch:
    link: Any
    ops: Any


LINKED = ([0, 1, 2, 1], ["gcn", "gin", "fc", "cheb"])

FORMS: list[tuple[Space, Any, list[Any]]] = [
    (DARTS, PRINTED, [
        GENOTYPE, _as_dict(), json.dumps(_as_dict()), repr(_as_dict()), _numpy(), repr(_numpy()),
        f"DARTS_V1 = {PRINTED}\n", f"genotypes.{PRINTED}",
        PRINTED.replace(", 1)", ", np.int64(1))"),
        {**_as_dict(), "normal": _by_nodes(NORMAL), "reduce": _by_nodes(REDUCE)},
        str(Genotype(_by_nodes(NORMAL), range(2, 6), _by_nodes(REDUCE), range(2, 6))),
    ]),
    (NB201, TEXT201, [
        STRUCTURE, str(STRUCTURE), json.dumps(STRUCTURE), f"Structure(4 nodes with {TEXT201})",
        SimpleNamespace(tostr=lambda: TEXT201), [list(map(list, node)) for node in STRUCTURE],
    ]),
    (NB101, NB101.cell(MATRIX, OPERATIONS), [
        {"module_adjacency": np.array(MATRIX), "module_operations": OPERATIONS, "trainable": 3},
        json.dumps({"module_adjacency": MATRIX, "module_operations": OPERATIONS}),
        {"matrix": MATRIX, "ops": OPERATIONS}, (np.array(MATRIX), OPERATIONS),
        SimpleNamespace(matrix=np.array(MATRIX), ops=OPERATIONS),
    ]),
    (Recurrent(), json.dumps(RECIPE), [RECIPE, repr(RECIPE)]),
    (Macro(), "22012001", [
        [2, 2, 0, 1, 2, 0, 0, 1], np.array([2, 2, 0, 1, 2, 0, 0, 1]), "[2, 2, 0, 1, 2, 0, 0, 1]",
        list("22012001"), ("mb6_k5", 2, 0, 1, 2, 0, 0, "1"),
    ]),
    (GnnDag(), "0-1-1-2|gcn|gin|cheb|fc", [
        LINKED, Arch(*LINKED), f"Arch({LINKED[0]}, {LINKED[1]})",
        {"link": LINKED[0], "ops": LINKED[1]},
    ]),
    (CHAIN, RAW, [
        repr(RAW), f"CONFIG = {RAW}", "Config(width=32, drop=0.1, se=True, act=None)",
        namedtuple("Config", RAW)(**RAW),
        {"width": np.int64(32), "drop": np.float64(0.1), "se": np.True_, "act": None},
    ]),
    (Conditional({"op": ["a", "b"], "k": [3, 5]}, {"k": {"op": ["a"]}}), {"op": "b", "k": None}, [
        "{'op': 'b'}",
    ]),
    (Pool(NB201, [TEXT201]), TEXT201, [STRUCTURE]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("space", "known", "form"),
    [(space, known, form) for space, known, forms in FORMS for form in forms],
    ids=lambda value: str(value)[:30].split(" object at")[0],  # an address differs by process
)
def test_authors_forms_are_read(space: Space, known: Any, form: Any) -> None:
    assert space.architecture(form) == space.architecture(known)


@pytest.mark.parametrize(
    ("space", "form", "message"),
    [
        (DARTS, {**_as_dict(), "normal": _by_nodes(NORMAL)[:3]}, "8 pairs"),
        (DARTS, {**_as_dict(), "normal": [*_by_nodes(NORMAL)[:3], 7]}, "8 pairs"),
        (DARTS, {"normal": NORMAL}, "reduce is missing"),
        (DARTS, {**_as_dict(), "normal_concat": ["2", 3, 4, 5]}, "range"),
        (DARTS, "Genotype(normal=open('x'))", "write Genotype"),
        (NB201, [[("none", 0)], [3]], r"node 2 has 3; write pairs"),
        (NB201, [[("none", 0, 1)]], r"write pairs"),
        (NB201, [[("none", 0)]], "is missing"),
        (NB101, {"module_adjacency": [[0, 1], [0]], "module_operations": OPERATIONS}, "a matrix"),
        (NB101, (MATRIX, OPERATIONS[:2]), "zeros and ones"),
        (NB101, (3, 4), "a matrix"),
        (Macro(), [1, 2], "it has 2 layers; list 8"),
        (Macro(), [3] * 8, "got 3"),
        (GnnDag(), ([0, 1, 2, 1], 3), "two lists"),
        (GnnDag(), ([0, 1, "a", 1], LINKED[1]), "4 numbers"),
        (Recurrent(), {"a": {"op": "linear", "input": "x"}}, "list of names"),
        (CHAIN, "os.system('ls')", "it can't be read|give a mapping"),
        (CHAIN, "[" * 5_000, "it can't be read"),
        (CHAIN, "{'width': " + "-" * 5_000 + "1}", "it can't be read"),
        (CHAIN, object(), "give a mapping"),
        (CHAIN, [16, 0.1], "give a mapping"),
    ],
    ids=lambda value: str(value)[:30].split(" object at")[0],  # an address differs by process
)
def test_other_forms_are_refused_with_what_is_wrong(space: Space, form: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        space.architecture(form)


def test_a_space_of_ones_own_says_what_it_reads() -> None:
    class Widths(Chain):
        def parse_form(self, form: Any) -> Mapping[str, Any]:
            return dict(zip(self.names, form, strict=True)) if isinstance(form, list) else form

    space = Widths({"a": [1, 2], "b": [1, 2]})
    wanted = space.architecture({"a": 1, "b": 2})
    assert space.architecture(np.array([1, 2])) == space.architecture("(1, 2)") == wanted
