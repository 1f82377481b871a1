"""Cells: NAS-Bench-201's strings and table, and the line graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.spaces import NB201_OPERATIONS, Cell
from optiproxy.spaces.cell import MAX_PATHS

NB201 = Cell(4, NB201_OPERATIONS)
# The example of the published files' documentation.
PUBLISHED = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
)


def test_nb201_has_15625_cells_of_six_edges() -> None:
    assert NB201.count == 15625 == len(NB201.all_indices)
    assert list(NB201.choices) == ["0>1", "0>2", "1>2", "0>3", "1>3", "2>3"]
    assert len(NB201.neighbours(NB201.sample(1)[0])) == 24


def test_published_string_is_read_and_printed() -> None:
    arch = NB201.architecture(PUBLISHED)
    assert dict(arch) == {
        "0>1": "nor_conv_3x3",
        "0>2": "nor_conv_3x3",
        "1>2": "nor_conv_3x3",
        "0>3": "skip_connect",
        "1>3": "nor_conv_3x3",
        "2>3": "nor_conv_1x1",
    }
    assert NB201.to_text(arch) == PUBLISHED
    assert NB201.architecture(f"  {PUBLISHED}\n") == arch
    assert NB201.architecture(arch.to_json()) == arch


@pytest.mark.slow
def test_the_whole_published_table_is_read_and_printed(published: Path) -> None:
    from pyarrow import parquet

    table = parquet.read_table(published / "nb201_accuracy.parquet", columns=["arch"])
    texts = table["arch"].to_pylist()
    archs = [NB201.architecture(text) for text in texts]
    assert [NB201.to_text(arch) for arch in archs] == texts
    assert len(set(archs)) == NB201.count
    assert texts[0] == (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
        "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|nor_conv_3x3~0|", r"choice '0>2' is missing"),
        (PUBLISHED + "+|none~0|", r"node 4 reads '\|none~0\|'; 'none~0' is not an edge"),
        (PUBLISHED.replace("1x1~2", "1x1~1"), r"node 3 .* is not an edge, or is one twice"),
        (PUBLISHED.replace("1x1~2", "1x1~3"), r"node 3 .* is not an edge, or is one twice"),
        (PUBLISHED.replace("~2", ""), r"node 3 .* is not an edge"),
        (PUBLISHED[1:], r"node 1 reads .*; write \|operation~source\|"),
        ("||", r"node 1 reads '\|\|'; write"),
        (
            PUBLISHED.replace("nor_conv_1x1", "nor_conv_1x2"),
            r"option of choice '2>3': got 'nor_conv_1x2'; did you mean 'nor_conv_1x1'",
        ),
    ],
)
def test_a_broken_string_is_reported_with_its_node(text: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        NB201.architecture(text)


@pytest.mark.parametrize("nodes", [2, 3, 4, 6])
def test_edges_join_every_pair_of_nodes(nodes: int) -> None:
    space = Cell(nodes, ["a", "b"])
    assert space.edges == tuple((i, j) for j in range(nodes) for i in range(j))
    assert space.graph.shape == (len(space.edges) + 2, 4)


def test_line_graph_joins_edges_that_meet() -> None:
    """Against the definition, vertex by vertex: an edge's output is the next one's input."""
    adjacency = NB201.graph.adjacency
    ends = [(None, 0), *NB201.edges, (3, None)]
    for a, (_, target) in enumerate(ends):
        for b, (source, _) in enumerate(ends):
            joined = target is not None and target == source
            assert adjacency[a, b] == joined, (a, b)


def test_paths_run_from_input_to_output() -> None:
    found = {tuple(NB201.edges[c] for c in path) for path in NB201.paths}
    assert found == {
        ((0, 3),),
        ((0, 1), (1, 3)),
        ((0, 2), (2, 3)),
        ((0, 1), (1, 2), (2, 3)),
    }


@pytest.mark.parametrize(("nodes", "paths"), [(2, 1), (3, 2), (5, 8), (8, 64), (10, MAX_PATHS)])
def test_paths_double_with_every_node_up_to_a_bound(nodes: int, paths: int) -> None:
    assert len(Cell(nodes, ["a"]).paths) == paths


def test_picture_has_a_line_for_every_edge() -> None:
    lines = NB201.picture(NB201.architecture(PUBLISHED)).splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("input")
    assert "nor_conv_3x3" in lines[0]
    assert lines[0].endswith("node 1")
    assert lines[3].endswith("output")
    assert "skip_connect" in lines[3]


@pytest.mark.parametrize(
    ("nodes", "operations", "message"),
    [
        (1, ["a"], r"Cell: nodes: got 1; give a whole number of 2 or more"),
        (True, ["a"], r"Cell: nodes: got True"),
        (2.0, ["a"], r"Cell: nodes: got 2\.0"),
        (3, [], r"Cell: operations: got \[\]; give a list of names"),
        (3, ["a", "a"], r"'a' is listed twice; name each once"),
        (3, "abc", r"Cell: operations: got 'abc'; give a list of names"),
        (3, ["a|b"], r"Cell: operations: got \['a\|b'\]; give names without"),
        (3, ["a~b", "c"], r"Cell: operations: got \['a~b'\]"),
        (3, ["a b"], r"Cell: operations: got \['a b'\]"),
        (3, [1, "a"], r"Cell: operations: got \[1\]"),
        (3, None, r"Cell: operations: got None"),
        (3, 5, r"Cell: operations: got 5"),
    ],
    ids=str,
)
def test_a_bad_cell_is_refused(nodes: Any, operations: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Cell(nodes, operations)


def test_same_operations_in_another_order_are_another_space() -> None:
    assert Cell(3, ["a", "b"]).fingerprint != Cell(3, ["b", "a"]).fingerprint
    assert Cell(3, ["a", "b"]).fingerprint == Cell(3, ("a", "b")).fingerprint


def test_relaxation_at_a_corner_is_the_discrete_encoding() -> None:
    """Both are the template's one expression; a one-hot probability picks exactly one term."""
    graph = NB201.graph
    row = NB201.to_indices([NB201.architecture(PUBLISHED)])[0]
    corner = np.eye(5, dtype=np.float32)[row]
    relaxed = graph.features + np.einsum("co,conf->nf", corner, graph.feature_terms)
    np.testing.assert_array_equal(
        relaxed, graph.features + graph.feature_terms[np.arange(6), row].sum(axis=0)
    )


# ---- equal cells ----


def _published_name(row: tuple[int, ...]) -> str:
    """What NAS-Bench-201's paper compares: each node as the text of what it adds up."""
    nodes, ops = {0: "0"}, iter(row)
    for j in range(1, 4):
        terms = []
        for i in range(j):
            op = NB201_OPERATIONS[next(ops)]
            if op == "none" or nodes[i] == "#":
                terms.append("#")
            else:
                terms.append(nodes[i] if op == "skip_connect" else f"({nodes[i]})@{op}")
        nodes[j] = "+".join(sorted(terms))
    return nodes[3]


def _function(row: tuple[int, ...]) -> str:
    """The output as a sorted sum of terms, with sums that are passed on taken apart."""
    nodes, ops = {0: ["x"]}, iter(row)
    for j in range(1, 4):
        terms: list[str] = []
        for i in range(j):
            op = NB201_OPERATIONS[next(ops)]
            if op != "none" and nodes[i]:
                terms += nodes[i] if op == "skip_connect" else [f"{op}({'+'.join(nodes[i])})"]
        nodes[j] = sorted(terms)
    return "+".join(nodes[3])


def test_canonical_cells_are_the_functions_and_merge_what_the_paper_merges() -> None:
    rows = NB201.all_indices
    canonical = [tuple(row) for row in NB201.canonical(rows).tolist()]
    published = [_published_name(tuple(row)) for row in rows.tolist()]
    functions = [_function(tuple(row)) for row in rows.tolist()]
    assert len(set(published)) == 6466  # the published number of unique cells
    assert len(set(zip(published, canonical, strict=True))) == 6466  # none of them taken apart
    assert len(set(functions)) == len(set(canonical)) == 4930
    assert len(set(zip(functions, canonical, strict=True))) == 4930


def test_without_special_operations_every_cell_stands_for_itself() -> None:
    space = Cell(3, ["a", "b"])
    np.testing.assert_array_equal(space.canonical(space.all_indices), space.all_indices)
    # No sum is the same in another order here, since the edges of a node come from different ones.


def test_in_a_large_cell_dead_edges_are_cut() -> None:
    space = Cell(6, NB201_OPERATIONS)
    row = np.full((1, len(space)), NB201_OPERATIONS.index("nor_conv_3x3"))
    into_two = [c for c, (_, j) in enumerate(space.edges) if j == 2]
    from_two = [c for c, (i, _) in enumerate(space.edges) if i == 2]
    row[:, into_two] = 0
    canonical = space.canonical(row)
    assert (canonical[:, from_two] == 0).all()
    assert (canonical != row).sum() == len(from_two)


@pytest.mark.parametrize("form", ["Structure(3 nodes with {})", " {} \n", '"{}"', "'{}'"])
def test_cells_are_read_as_logs_print_them(form: str) -> None:
    space = Cell(nodes=3, operations=["none", "conv"])
    text = "|conv~0|+|none~0|conv~1|"
    for written in (text, text.replace("+", " + ")):
        assert space.to_text(space.architecture(form.format(written))) == text
