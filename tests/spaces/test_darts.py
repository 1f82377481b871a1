"""Darts: the genotype's text, the joint graph, and the number of architectures."""

from __future__ import annotations

import re
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optiproxy import encodings
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import DARTS_OPERATIONS, Darts
from optiproxy.tasks import Task

SPACE = Darts()
# The second-order cell that DARTS publishes, with its inputs in the published order.
PUBLISHED = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=[2, 3, 4, 5])"
)


def test_there_are_about_10_to_the_18_architectures() -> None:
    assert SPACE.count == (1 * 3 * 6 * 10 * 7**8) ** 2
    assert SPACE.valid(np.random.default_rng(0).integers(0, SPACE.sizes, size=(99, 22))).all()


def test_a_published_genotype_is_read_and_printed() -> None:
    arch = SPACE.architecture(PUBLISHED)
    assert arch["normal_inputs2"] == "0+1"
    assert (arch["normal_op2a"], arch["normal_op2b"]) == ("skip_connect", "sep_conv_3x3")
    assert (arch["reduce_inputs3"], arch["reduce_op3b"]) == ("1+2", "skip_connect")
    text = SPACE.to_text(arch)
    assert "('skip_connect', 0), ('sep_conv_3x3', 1)" in text  # the lower input comes first
    assert text.endswith("reduce_concat=range(2, 6))")
    assert SPACE.architecture(text) == arch
    assert SPACE.architecture(PUBLISHED.replace("[2, 3, 4, 5]", "range(2, 6)")) == arch


def test_published_genotypes_are_read(published: Path) -> None:
    from pyarrow import parquet

    table = parquet.read_table(published / "oncenas_darts_545.parquet")
    space = Darts([*DARTS_OPERATIONS, "none"])
    for text in table["architecture"].to_pylist():
        arch = space.architecture(text)
        # Each node has the published pairs, in whichever order.
        ours, theirs = (_nodes(t) for t in (space.to_text(arch), text))
        assert ours == theirs


def _nodes(text: str) -> list[frozenset[str]]:
    pairs = [part.split(")")[0] for part in text.split("('")[1:]]
    return [frozenset(pairs[i : i + 2]) for i in range(0, len(pairs), 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Genotype(", "write Genotype"),
        ("Genotype(normal=[)", "write Genotype"),
        ("[1]", "write Genotype"),
        ("Genotype(normal=[])", "reduce is missing"),
        ("Genotype(normal=open('x'), reduce=[])", "normal must be numbers, text, or a list"),
        ("Genotype(normal=[], reduce=[])", "normal must list 8 pairs"),
        (PUBLISHED.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)"), "inputs from 0 to 4"),
        (PUBLISHED.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', True)"), "write two pairs"),
        (
            PUBLISHED.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 0)"),
            "node 3 of normal reads 0",
        ),
        (PUBLISHED.replace("('dil_conv_3x3', 2)", "'dil'"), "node 3 of normal has"),
        (
            PUBLISHED.replace("dil_conv_3x3", "dil_conv_7x7"),
            "'normal_op3b': got 'dil_conv_7x7'; did",
        ),
        (PUBLISHED.replace("[2, 3, 4, 5]", "[3, 4, 5]"), "normal_concat must be the four nodes"),
        (PUBLISHED.replace("[2, 3, 4, 5]", "range(10**99)"), "normal_concat must be"),
        (PUBLISHED.replace("[2, 3, 4, 5]", "range(0, 99999999999999)"), "normal_concat must be"),
        (PUBLISHED.replace("[2, 3, 4, 5]", "5"), "normal_concat must be the four nodes"),
        ("(" * 5000, "write Genotype"),
    ],
    ids=range(16),
)
def test_a_broken_genotype_is_reported_and_never_run(text: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        SPACE.architecture(text)


def test_the_graph_has_22_vertices_and_the_published_links() -> None:
    arch = SPACE.architecture(PUBLISHED)
    a, x = encodings.make("adjacency", SPACE).encode([arch])
    assert tuple(a.shape) == (1, 22, 22)
    arcs = {(int(i), int(j)) for i, j in a[0].nonzero()}
    # Node 3 of the normal cell: skip on input 0, dilated convolution on node 0 (vertices 2, 3).
    assert {i for i, j in arcs if j == 8} == {0}
    assert {i for i, j in arcs if j == 9} == {2, 3}
    assert {i for i, j in arcs if j == 10} == set(range(2, 10))
    assert {j for i, j in arcs if i == 10} == {11, 12}
    assert {i for i, j in arcs if j == 21} == set(range(13, 21))
    assert torch.equal(x.sum(2), torch.ones(1, 22))
    # Every vertex is read, and the output is behind all that are.
    assert all(any(i == v for i, _ in arcs) for v in range(21) if v not in (0, 1, 11, 12))


def test_neighbours_change_one_choice() -> None:
    arch = SPACE.sample(1)[0]
    assert len(SPACE.neighbours(arch)) == 16 * 6 + 2 * (2 + 5 + 9)


@pytest.mark.parametrize("bad", [[], "abc", ["a'"], ["a b"], [1], None, ["a", "a"]], ids=str)
def test_bad_operations_are_refused(bad: object) -> None:
    with pytest.raises(InvalidValueError):
        Darts(bad)  # type: ignore[arg-type]


# ---- equal networks ----

WITH_NONE = Darts([*DARTS_OPERATIONS, "none"])
Cell = list[list[tuple[str, int]]]  # of each node, (operation, map) twice


def _renumbered(cell: Cell, order: tuple[int, ...]) -> Cell | None:
    """The cell with node ``order[i]`` as node i; None where a node would come before its input."""
    place = {2 + old: 2 + new for new, old in enumerate(order)}
    nodes = [[(op, place.get(source, source)) for op, source in cell[old]] for old in order]
    if any(source >= 2 + node for node, pairs in enumerate(nodes) for _, source in pairs):
        return None
    return nodes


def _text(normal: Cell, reduce: Cell) -> str:
    fields = []
    for name, cell in (("normal", normal), ("reduce", reduce)):
        fields.append(f"{name}={[pair for node in cell for pair in node]!r}")
        fields.append(f"{name}_concat=range(2, 6)")
    return f"Genotype({', '.join(fields)})"


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Few operations, so that nodes are often alike."""
    operation = st.sampled_from(["skip_connect", "sep_conv_3x3", "none"])
    cell = []
    for node in range(4):
        maps = draw(st.lists(st.integers(0, node + 1), min_size=2, max_size=2, unique=True))
        cell.append([(draw(operation), source) for source in maps])
    return cell


def _function(cell: Cell) -> list[str]:
    """What each node computes, whatever its number: sums of operations on the two inputs."""
    maps = ["x", "y"]
    for node in cell:
        terms = sorted(f"{op}({maps[source]})" for op, source in node if op != "none")
        maps.append(f"[{'+'.join(terms)}]")
    return sorted(maps[2:])


def _nodes_of(text: str) -> tuple[Cell, Cell]:
    pairs = [(op, int(source)) for op, source in re.findall(r"\('([\w.-]+)', (\d)\)", text)]
    nodes = [pairs[k : k + 2] for k in range(0, 16, 2)]
    return nodes[:4], nodes[4:]


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=40)
@given(cells(), cells())
def test_the_canonical_form_is_the_same_for_every_order_of_the_nodes(
    normal: Cell, reduce: Cell
) -> None:
    orders = [(a, b) for a in permutations(range(4)) for b in permutations(range(4))][::13]
    renumbered = [(_renumbered(normal, a), _renumbered(reduce, b)) for a, b in orders]
    texts = {_text(a, b) for a, b in renumbered if a is not None and b is not None}
    texts.add(_text(normal, reduce))
    # `none` reads nothing, whatever it names.
    texts.add(_text(*([_elsewhere(node) for node in cell] for cell in (normal, reduce))))
    rows = WITH_NONE.to_indices([WITH_NONE.architecture(text) for text in texts])
    canonical = WITH_NONE.canonical(rows)
    assert len(np.unique(canonical, axis=0)) == 1
    assert WITH_NONE.valid(canonical).all()
    np.testing.assert_array_equal(WITH_NONE.canonical(canonical), canonical)
    # And it is that network: each node computes what it did.
    again = _nodes_of(WITH_NONE.to_text(WITH_NONE.from_indices(canonical[:1])[0]))
    for before, after in zip((normal, reduce), again, strict=True):
        assert _function(after) == _function(before)


def _elsewhere(node: list[tuple[str, int]]) -> list[tuple[str, int]]:
    (a, i), (b, j) = node
    if a == "none" and b == "none":
        return [(a, 0), (b, 1)]
    if a == "none":
        return [(a, min({0, 1} - {j})), (b, j)]
    return [(a, i), (b, min({0, 1} - {i}))] if b == "none" else node


def _first(cell: Cell) -> str:
    """The same for two cells if and only if an order of the nodes makes them equal: all tried."""
    bare = [_elsewhere(node) for node in cell]
    forms = []
    for order in permutations(range(4)):
        renumbered = _renumbered(bare, order)
        if renumbered is not None:
            forms.append(repr([sorted(_elsewhere(n), key=lambda e: e[1]) for n in renumbered]))
    return min(forms)


def test_different_networks_stay_different() -> None:
    """Against every order of the nodes: as many canonical forms as there are networks."""
    space = Darts(["skip_connect", "none"])
    rows = space.random_indices(400, np.random.default_rng(0))
    rows[:, len(space) // 2 :] = 0  # the reduction cell is always the same
    rows = np.unique(rows, axis=0)
    texts = [space.to_text(arch) for arch in space.from_indices(rows)]
    networks = [_first(_nodes_of(text)[0]) for text in texts]
    canonical = space.canonical(rows)
    pairs = {(n, tuple(row)) for n, row in zip(networks, canonical.tolist(), strict=True)}
    assert len(pairs) == len({row for _, row in pairs}) == len(set(networks)) < len(rows)


def test_equal_networks_have_equal_parameters_and_are_trained_once() -> None:
    arch = SPACE.architecture(PUBLISHED)
    (other,) = SPACE.from_indices(SPACE.canonical(SPACE.to_indices([arch])))
    assert other != arch
    with torch.device("meta"):
        sizes = [
            sorted(tuple(p.shape) for p in SPACE.build(a, channels=4, cells=4).parameters())
            for a in (arch, other)
        ]
    assert sizes[0] == sizes[1]
    assert Task("t", SPACE, lambda a: 1.0, objectives="score=max").distinct
