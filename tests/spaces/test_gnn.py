"""NAS-Bench-Graph's space: which networks are listed, and what both encodings show of them."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from optiproxy import encodings
from optiproxy.errors import InvalidValueError
from optiproxy.spaces import NAS_BENCH_GRAPH_OPERATIONS, GnnDag
from optiproxy.spaces.gnn import LINKS

SPACE = GnnDag()
TINY = GnnDag(["a", "b", "skip"])
PARENTS = list(itertools.product([0], range(2), range(3), range(4)))


# ---- which networks are listed ----


def test_count_is_the_published_one() -> None:
    assert SPACE.count == 26206
    assert SPACE.choices["link"] == LINKS
    assert list(SPACE.choices) == ["link", "op1", "op2", "op3", "op4"]


def test_count_with_the_operations_of_ogbn_proteins_is_the_published_one() -> None:
    """The package's table of proteins, which has five of the nine operations, has 2,021 rows."""
    assert GnnDag(["gcn", "sage", "arma", "fc", "skip"]).count == 2021


def test_without_a_skip_all_trees_are_counted_by_their_symmetries() -> None:
    """Burnside by hand for two operations: multisets of arms and leaves."""
    # 4 leaves: 5 multisets; 0001 and 0011, 0122: a pair and two more: 3 * 4; 0012: 10 pairs of
    # arms; 0111: 2 * 4; 0013, 0112, 0123 have no symmetry: 16 each.
    assert GnnDag(["a", "b"]).count == 5 + 3 * 12 + 10 + 8 + 3 * 16


def _network(parents: Sequence[int], ops: Sequence[str]) -> object:
    """What is computed, whatever its numbering: the tree without skips that change nothing."""

    def successors(vertex: int) -> list[Any]:
        found: list[Any] = []
        for child in (i for i, p in enumerate(parents, start=1) if p == vertex):
            below = successors(child)
            if ops[child - 1] == "skip" and below:
                found += below
            elif ops[child - 1] == "skip":
                found.append("its input")
            else:
                found.append((ops[child - 1], () if below == ["its input"] else tuple(below)))
        return sorted(found, key=repr)

    return tuple(branch for branch in successors(0) if branch != "its input")


@pytest.mark.slow
def test_each_network_is_listed_once() -> None:
    """All numberings of all trees: the same network if and only if the same listed twin."""
    listed_of: dict[object, object] = {}
    for parents in PARENTS:
        for ops in itertools.product(TINY.operations, repeat=4):
            if set(ops) != {"skip"}:
                twin = TINY.listed(parents, ops)
                assert listed_of.setdefault(_network(parents, ops), twin) == twin
    assert len(set(listed_of.values())) == len(listed_of) == TINY.count


@pytest.mark.parametrize("space", [SPACE, TINY], ids=repr)
def test_a_listed_architecture_is_its_own_twin(space: GnnDag) -> None:
    for arch in space.sample(200, seed=1):
        link, *ops = (str(option) for option in arch.values())
        assert space.listed([int(number) for number in link.split("-")], ops) == arch


@pytest.mark.parametrize(
    ("parents", "ops", "text"),
    [
        # The example of the benchmark's documentation, in two numberings.
        ([0, 1, 2, 1], ["gcn", "gin", "fc", "cheb"], "0-1-1-2|gcn|gin|cheb|fc"),
        ([0, 1, 1, 3], ["gcn", "cheb", "gin", "fc"], "0-1-1-2|gcn|gin|cheb|fc"),
        # Leaves in the order of the operations.
        ([0, 0, 0, 0], ["fc", "gat", "skip", "gcn"], "0-1-1-1|skip|gat|gcn|fc"),
        # The third layer does nothing; the fourth feeds the second's features to the output.
        ([0, 1, 2, 2], ["gat", "gcn", "gin", "skip"], "0-1-2-2|gat|gcn|gin|skip"),
        ([0, 1, 2, 3], ["gat", "gcn", "skip", "gin"], "0-1-2-3|skip|gat|gcn|gin"),
        ([0, 1, 2, 3], ["gat", "skip", "gin", "skip"], "0-1-2-3|skip|skip|gat|gin"),
    ],
)
def test_twin_of_a_network(parents: list[int], ops: list[str], text: str) -> None:
    assert SPACE.to_text(SPACE.listed(parents, ops)) == text


@pytest.mark.parametrize(
    "text",
    [
        "0-0-0-0|gcn|gat|gat|gat",
        "0-0-1-2|gcn|gat|gat|gat",
        "0-0-1-2|gat|gat|gcn|gat",
        "0-1-2-3|gat|skip|gat|gat",
        "0-1-2-3|gat|gat|gat|skip",
        "0-0-0-0|gat|gat|gat|skip",
        "0-0-1-1|gat|skip|gat|gat",
        "0-0-0-1|skip|gat|gat|gat",
        "0-1-2-3|skip|skip|skip|skip",
    ],
)
def test_what_is_not_listed_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="does not allow this combination"):
        SPACE.architecture(text)


@pytest.mark.parametrize(
    ("parents", "ops", "message"),
    [
        ([0, 1, 2], ["gat"] * 4, r"links: got \[0, 1, 2\]; give 4 numbers"),
        ([0, 2, 1, 1], ["gat"] * 4, r"links: got .* each of an earlier layer or 0"),
        ([0, 0, 0, -1], ["gat"] * 4, r"links: got"),
        ([0, 1, 2, 3], ["gat"] * 3, r"operations: got .* give 4 of gat, gcn"),
        ([0, 1, 2, 3], ["gat", "gat", "gat", "gut"], r"operations: got"),
        ([0, 1, 1, 0], ["skip"] * 4, r"does not allow"),
    ],
)
def test_twin_of_nonsense_is_refused(parents: list[int], ops: list[str], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        SPACE.listed(parents, ops)


# ---- what every space can ----


def test_samples_are_valid_and_reach_every_tree() -> None:
    rows = SPACE.random_indices(2000, np.random.default_rng(0))
    assert SPACE.valid(rows).all()
    assert set(rows[:, 0]) == set(range(9))
    assert SPACE.valid(rows[:0]).shape == (0,)


@pytest.mark.slow
def test_neighbours_are_valid_symmetric_and_differ_in_one_choice() -> None:
    for arch in SPACE.sample(30, seed=2):
        near = SPACE.neighbours(arch)
        assert SPACE.valid(SPACE.to_indices(near)).all()
        assert len(near) == len(set(near)) >= 15  # 15 to 38 over the whole space
        for other in near:
            assert sum(arch[name] != other[name] for name in SPACE.choices) == 1
            assert arch in SPACE.neighbours(other)


def test_every_architecture_is_reached_by_single_changes() -> None:
    """Local search and evolution are not shut in: the graph of neighbours is connected."""
    everything = {row.tobytes() for row in TINY.all_indices}
    edge = TINY.all_indices[:1]
    reached = {edge[0].tobytes()}
    while len(edge):
        near = np.unique(TINY.neighbour_indices(edge), axis=0)
        edge = np.array([row for row in near if row.tobytes() not in reached], dtype=np.int64)
        reached |= {row.tobytes() for row in edge}
    assert reached == everything


def test_text_and_json_are_read_back() -> None:
    for arch in SPACE.sample(50):
        assert SPACE.architecture(SPACE.to_text(arch)) == arch
        assert SPACE.architecture(arch.to_json()) == arch


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0-1-2-3|gat|gat|gat", r"it has 4 parts; write link\|op1\|op2\|op3\|op4"),
        ("0-1-2-1|gat|gat|gat|gat", r"choice 'link': got '0-1-2-1'; did you mean"),
        ("0-1-2-3|gat|gat|gut|gat", r"choice 'op3': got 'gut'; did you mean 'gat'"),
    ],
)
def test_a_broken_text_is_reported(text: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        SPACE.architecture(text)


def test_pickle_keeps_the_space_and_no_cache() -> None:
    fresh = pickle.dumps(SPACE)
    again = pickle.loads(fresh)
    assert (again.count, again.fingerprint) == (SPACE.count, SPACE.fingerprint)
    assert again.graph.shape == SPACE.graph.shape
    assert len(pickle.dumps(SPACE)) == len(fresh) < 2000


def test_picture_is_the_tree() -> None:
    assert SPACE.picture(SPACE.architecture("0-1-1-2|gcn|cheb|gin|fc")).splitlines() == [
        "input (0-1-1-2)",
        "└── gcn",
        "    ├── cheb",
        "    │   └── fc ──▶ output",
        "    └── gin ──▶ output",
    ]


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ([], r"GnnDag: operations: got \[\]; give a list of names"),
        (["a", "a"], "'a' is listed twice"),
        ("abc", "GnnDag: operations: got 'abc'; give a list of names"),
        (["a|b"], r"GnnDag: operations: got \['a\|b'\]"),
        ([1], r"GnnDag: operations: got \[1\]"),
        (None, "GnnDag: operations: got None"),
    ],
    ids=str,
)
def test_bad_operations_are_refused(operations: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        GnnDag(operations)


# ---- encodings ----


@pytest.mark.parametrize("space", [SPACE, TINY, GnnDag([f"op{i}" for i in range(11)])], ids=repr)
@pytest.mark.parametrize("name", encodings.ENCODINGS.names())
def test_a_corner_is_the_discrete_encoding(name: str, space: GnnDag) -> None:
    """With three operations the largest choice is the tree, with eleven it is a layer."""
    rows = torch.from_numpy(space.random_indices(50, np.random.default_rng(0)))
    encoder = encodings.make(name, space)
    relaxed = encoder.relaxed(encodings.corners(space, rows))
    for left, right, shape in zip(encoder.discrete(rows), relaxed, encoder.shapes, strict=True):
        assert torch.equal(left, right)
        assert left.shape == (50, *shape)


@pytest.mark.slow
@pytest.mark.parametrize("name", encodings.ENCODINGS.names())
def test_the_relaxation_is_differentiable(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (2, len(TINY), int(TINY.sizes.max()))
    alpha = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    mask = torch.from_numpy(TINY.mask)
    encoder = encodings.make(name, TINY)

    def encoded(a: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return encoder.relaxed(a.masked_fill(~mask, -torch.inf).softmax(-1))

    assert torch.autograd.gradcheck(encoded, alpha, fast_mode=True)


@pytest.mark.parametrize("name", encodings.ENCODINGS.names())
def test_different_architectures_differ(name: str) -> None:
    rows = torch.from_numpy(TINY.all_indices)
    flat = torch.cat([t.flatten(1) for t in encodings.make(name, TINY).discrete(rows)], 1)
    assert len(torch.unique(flat, dim=0)) == TINY.count


@pytest.mark.parametrize("link", LINKS)
def test_adjacency_is_the_tree(link: str) -> None:
    parents = [int(number) for number in link.split("-")]
    row = next(row for row in SPACE.all_indices if LINKS[row[0]] == link)
    a, x = encodings.make("adjacency", SPACE).discrete(torch.from_numpy(row[None]))
    arcs = {(int(u), int(v)) for u, v in a[0].nonzero()}
    leaves = {(i, 5) for i in range(1, 5) if i not in parents}
    assert arcs == {(p, i) for i, p in enumerate(parents, start=1)} | leaves
    assert torch.equal(a[0], a[0].triu(1))
    assert torch.equal(x[0].sum(1), torch.ones(6))
    assert x[0, 1:5].argmax(1).sub(1).tolist() == row[1:].tolist()


def test_template_has_the_documented_shape() -> None:
    graph = SPACE.graph
    assert graph.shape == (6, len(NAS_BENCH_GRAPH_OPERATIONS) + 2)
    assert graph.adjacency_terms is not None
    assert graph.adjacency_terms.shape == (5, 9, 6, 6)
    assert not graph.adjacency_terms[1:].any()  # the operations touch no edge,
    assert not graph.feature_terms[0].any()  # and the tree no feature


def test_paths_join_the_tree_with_layers_and_edges() -> None:
    """All 4,698 features fit the path encoding; nothing is cut off."""
    assert {c for path in SPACE.paths for c in path} == set(range(5))
    assert len(set(SPACE.paths)) == len(SPACE.paths) == 10
    assert encodings.make("path", SPACE).shapes == ((4 * 9**2 + 6 * 9**3,),)
