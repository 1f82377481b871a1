"""Darts: the genotype's text, the joint graph, and the number of architectures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from optiproxy import encodings
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import DARTS_OPERATIONS, Darts

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


def test_published_genotypes_are_read() -> None:
    folder = os.environ.get("OPTIPROXY_DATA")
    if not folder:
        pytest.skip("OPTIPROXY_DATA names no folder of published tables")
    from pyarrow import parquet

    table = parquet.read_table(Path(folder) / "oncenas_darts_545.parquet")
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
        ("Genotyp(normal=[])", "write Genotype"),
        ("[1]", "write Genotype"),
        ("Genotype(normal=[])", "reduce is missing"),
        ("Genotype(normal=open('x'), reduce=[])", "normal must be a list or a range"),
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
def test_a_broken_genotype_is_told_and_never_run(text: str, message: str) -> None:
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
