"""Graph: NAS-Bench-101's counts and hashes, pruning and renumbering."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from optiproxy.errors import InvalidValueError
from optiproxy.spaces import NB101_OPERATIONS, Architecture, Graph

CONV3, CONV1, POOL = NB101_OPERATIONS
NB101 = Graph(7, NB101_OPERATIONS, max_edges=9)

# The first cell of the published files, and the name it has there.
PUBLISHED = (
    [
        [0, 1, 0, 0, 1, 1, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 1],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    ["input", CONV3, POOL, CONV3, CONV3, CONV1, "output"],
)
PUBLISHED_HASH = "00005c142e6f48ac74fdcf73e3439874"


def _renumbered(matrix: Any, ops: list[str], rng: np.random.Generator) -> tuple[Any, list[str]]:
    """The same graph with its vertices in another topological order."""
    a, n = np.array(matrix), len(ops)
    order, left = [0], set(range(1, n - 1))
    while left:
        ready = [v for v in left if not any(a[u, v] for u in left)]
        order.append(int(rng.choice(ready)))
        left.remove(order[-1])
    order.append(n - 1)
    return a[np.ix_(order, order)], [ops[v] for v in order]


# ---- published figures ----


@pytest.mark.slow
@pytest.mark.parametrize(("vertices", "cells"), [(2, 1), (3, 7), (4, 91), (5, 2532), (6, 64542)])
def test_distinct_cells_of_up_to_so_many_vertices(vertices: int, cells: int) -> None:
    """Published: 1, 6, 84, 2,441 and 62,010 cells of exactly 2 to 6 vertices, here summed up."""
    space = Graph(vertices, NB101_OPERATIONS, max_edges=9)
    distinct = space.distinct_indices
    assert len(distinct) == cells
    assert space.valid(distinct).all()
    if vertices < 5:
        np.testing.assert_array_equal(space.canonical(distinct), distinct)
        hashes = {space.hash(arch) for arch in space.from_indices(distinct)}
        assert len(hashes) == cells  # our form and the published hash agree on what is equal


@pytest.mark.slow
def test_all_423624_cells_of_nas_bench_101() -> None:
    """Measured: 3 s of one core."""
    assert len(Graph(7, NB101_OPERATIONS, max_edges=9).distinct_indices) == 423_624


def test_a_published_cell_has_its_published_hash() -> None:
    arch = NB101.cell(*PUBLISHED)
    assert NB101.hash(arch) == PUBLISHED_HASH
    for seed in range(5):
        matrix, ops = _renumbered(*PUBLISHED, np.random.default_rng(seed))
        assert NB101.cell(matrix, ops) == arch


def test_the_inception_like_cell_of_the_published_example() -> None:
    """Its hash was computed once with the published definition, by other code."""
    matrix = np.zeros((7, 7), int)
    for i, j in [(0, 1), (0, 2), (0, 3), (0, 5), (1, 6), (2, 6), (3, 4), (4, 6), (5, 6)]:
        matrix[i, j] = 1
    arch = NB101.cell(matrix.tolist(), ["input", CONV1, CONV3, CONV3, CONV3, POOL, "output"])
    assert NB101.hash(arch) == "28cfc7874f6d200472e1a9dcd8650aa0"


def test_published_rows_are_read_and_are_valid(published: Path) -> None:
    from pyarrow import parquet

    table = parquet.read_table(published / "nb101_sample.parquet").to_pylist()
    texts = ["|".join([r["adjacency_bits"], *(r[f"op{v}"] for v in range(1, 6))]) for r in table]
    archs = [NB101.architecture(text) for text in texts]
    assert [NB101.to_text(arch) for arch in archs] == texts
    rows = NB101.to_indices(archs)
    assert len(np.unique(NB101.canonical(rows), axis=0)) == len({NB101.hash(a) for a in archs})


# ---- what is valid, and what is equal ----


def _brute(space: Graph, arch: Architecture) -> bool:
    """Validity by walking all ways from the input to the output."""
    arcs = [(i, j) for i, j in space.edges if arch[f"{i}>{j}"]]

    def ways(v: int) -> list[list[int]]:
        if v == space.vertices - 1:
            return [[v]]
        return [[v, *rest] for i, j in arcs if i == v for rest in ways(j)]

    found = ways(0)
    live = {arc for way in found for arc in itertools.pairwise(way)}
    return bool(found) and (space.max_edges is None or len(live) <= space.max_edges)


def test_validity_is_that_of_all_ways_walked() -> None:
    space = Graph(5, ["a"], max_edges=4)
    raw = np.array(list(itertools.product((0, 1), repeat=10)))
    rows = np.concatenate([raw, np.zeros((len(raw), 3), int)], 1)
    expected = [_brute(space, arch) for arch in space.from_indices(rows)]
    np.testing.assert_array_equal(space.valid(rows), expected)
    assert 0 < sum(expected) < len(raw)
    # Inactive edges do not count.
    assert (space.valid(rows) & (raw.sum(1) > 4)).any()


def test_dead_vertices_change_nothing() -> None:
    arch = NB101.architecture(f"000001000000000100000|{POOL}|{CONV1}|{CONV3}|{CONV3}|{CONV3}")
    alone = NB101.cell([[0, 1], [0, 0]], ["input", "output"])
    assert arch != alone
    assert NB101.hash(arch) == NB101.hash(alone)
    assert NB101.from_indices(NB101.canonical(NB101.to_indices([arch]))) == [alone]
    assert NB101.picture(arch) == "output  ◀── input"


def test_neighbours_are_other_cells_also_larger_ones() -> None:
    space = Graph(4, ["a", "b"], max_edges=5)
    alone = space.cell([[0, 1], [0, 0]], ["in", "out"])
    near = {space.picture(arch) for arch in space.neighbours(alone)}
    assert near == {
        f"1 {op}     ◀── input\noutput  ◀── {reads}" for op in "ab" for reads in ("1", "input, 1")
    }
    # From the smallest one all cells are reached, one step after another.
    reached = {alone}
    front = [alone]
    while front:
        front = [n for arch in front for n in space.neighbours(arch) if n not in reached]
        reached |= set(front)
    assert len(reached) == len(space.distinct_indices)


@pytest.mark.slow
@pytest.mark.parametrize("vertices", [7, 8])
def test_renumbered_cells_have_one_canonical_form(vertices: int) -> None:
    """And different hashes have different forms."""
    space, rng = Graph(vertices, NB101_OPERATIONS, max_edges=12), np.random.default_rng(0)
    rows = space.canonical(space.random_indices(150, rng))
    by_hash: dict[str, set[Architecture]] = {}
    for arch in space.from_indices(rows):
        by_hash.setdefault(space.hash(arch), set()).add(arch)
        matrix = np.zeros((vertices, vertices), int)
        for i, j in space.edges:
            matrix[i, j] = arch[f"{i}>{j}"]
        ops = ["in", *(str(arch[f"op{v}"]) for v in range(1, vertices - 1)), "out"]
        assert space.cell(*_renumbered(matrix, ops, rng)) == arch
    assert all(len(archs) == 1 for archs in by_hash.values())


def test_sampling_is_uniform_over_valid_rows() -> None:
    """Chi-square, 100 draws for each valid row of up to 3 edges; fixed seed, measured p = 0.96."""
    space = Graph(4, ["a"], max_edges=3)
    few = int((space.all_indices[:, :6].sum(1) <= 3).sum())
    rows = space.random_indices(100 * few, np.random.default_rng(0))
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == few < space.count
    assert stats.chisquare(counts).pvalue > 1e-6


# ---- forms and messages ----


def test_edges_read_as_json_booleans() -> None:
    space = Graph(3, ["a", "b"])
    arch = space.architecture('{"0>1": true, "0>2": false, "1>2": true, "op1": "b"}')
    assert space.to_text(arch) == "101|b"
    assert space.architecture("101|b") == arch
    assert space.picture(arch).splitlines() == ["1 b     ◀── input", "output  ◀── 1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10|b", "write 3 digits 0 or 1, then 1 operations"),
        ("102|b", "write 3 digits"),
        ("101", "write 3 digits"),
        ("101|c", "choice 'op1': got 'c'"),
        ("100|b", "does not allow this combination"),
    ],
)
def test_a_broken_text_is_reported(text: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Graph(3, ["a", "b"]).architecture(text)


@pytest.mark.parametrize(
    ("matrix", "ops", "message"),
    [
        ([[0, 1], [0, 0], [0, 0]], ["in", "out"], r"cell: matrix: got \(3, 2\); give n x n"),
        ([[0, 1], [1, 0]], ["in", "out"], "from lower to higher numbers"),
        ([[0, 2], [0, 0]], ["in", "out"], "zeros and ones"),
        ([[0, 0], [0, 0]], ["in", "out"], "output can't be reached"),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["in", "conv9", "out"], r"operations: got \['conv9'\]"),
        (np.triu(np.ones((7, 7), int), 1), ["i", *[CONV3] * 5, "o"], "over 9 edges"),
    ],
    ids=lambda value: None,
)
def test_a_broken_matrix_is_reported(matrix: Any, ops: list[str], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        NB101.cell(matrix, ops)


def test_all_mistakes_are_reported_together() -> None:
    with pytest.raises(InvalidValueError) as raised:
        Graph(1, ["a", "a"], max_edges=0)
    for field in ("vertices: got 1", "'a' is listed twice", "max_edges: got 0"):
        assert field in str(raised.value)
    for bad in ([], "abc", ["a|b"], [1], None, [""]):
        with pytest.raises(InvalidValueError, match="Graph: operations: got"):
            Graph(4, bad)  # type: ignore[arg-type]


def test_a_large_space_is_not_gone_through() -> None:
    with pytest.raises(InvalidValueError, match="list distinct cells of 7 or fewer"):
        _ = Graph(8, ["a"]).distinct_indices


def test_the_limit_of_edges_is_part_of_the_identity() -> None:
    assert Graph(4, ["a"], max_edges=3).fingerprint != Graph(4, ["a"], max_edges=4).fingerprint
