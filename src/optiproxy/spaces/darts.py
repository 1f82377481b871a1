"""The space of DARTS and NAS-Bench-301: a normal and a reduction cell.

References: Liu et al., DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055; Zela et al., Surrogate
NAS Benchmarks (NAS-Bench-301), ICLR 2022, https://arxiv.org/abs/2008.09777.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from optiproxy.spaces._forms import literal
from optiproxy.spaces._operations import check_buildable, operation_problems, refuse
from optiproxy.spaces._refine import canonical_order
from optiproxy.spaces.architecture import Architecture, GraphTemplate, Indices, Option
from optiproxy.spaces.base import Space
from optiproxy.spaces.drawing import Drawing, Vertex, drawing

if TYPE_CHECKING:
    from torch import nn

DARTS_OPERATIONS = (
    "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3",
    "dil_conv_5x5",
)  # fmt: skip
CELLS = ("normal", "reduce")
NODES = 4
# Names of operations that output zero.
ZERO = ("none",)
ALL_NODES = [2, 3, 4, 5]
_HELP = "write Genotype(normal=[…], normal_concat=…, reduce=[…], reduce_concat=…)"
# Vertices of a cell's graph: two inputs, two operations for each node, the output.
VERTICES = 2 + 2 * NODES + 1


class Darts(Space):
    """Two cells of four nodes; each node sums two operations on two earlier feature maps.

    Feature maps are numbered as published: 0 and 1 are the outputs of the two cells before, node j
    is 2 + j; the cell's output concatenates all four nodes. The choices of a cell are, for its
    nodes 1 to 3, which two different maps they read (``"normal_inputs1": "0+2"``; node 0 always
    reads 0 and 1), and for each node the operations on the lower and on the higher of the two
    (``"normal_op2a"``, ``"normal_op2b"``). So every combination is an architecture, and each
    genotype is one row: (1 x 3 x 6 x 10 x 7^8)^2, about 10^18 of them. Genotypes that differ in the
    order of their nodes alone are the same network: see `canonical`.

    The graph encoding joins both cells: 22 vertices, for each cell two inputs, eight operations and
    the output; the normal cell's output feeds the inputs of the reduction cell, as the networks
    do. The operations of the two cells are separate features.

    >>> space = Darts()
    >>> f"{space.count:.3e}", space.graph.shape
    ('1.077e+18', (22, 20))
    >>> arch = space.sample(1, seed=0)[0]
    >>> space.to_text(arch)[:25]
    "Genotype(normal=[('dil_co"
    >>> space.architecture(space.to_text(arch)) == arch
    True

    Args:
        operations: By default the seven of DARTS, without ``none``.

    Raises:
        InvalidValueError: Operations that are empty, listed twice or no text.
    """

    def __init__(self, operations: Sequence[str] = DARTS_OPERATIONS) -> None:
        without = "quotes, brackets or spaces"
        refuse("Darts", operation_problems(operations, r"[\w.-]+", without))
        self.operations = tuple(operations)
        choices: dict[str, Sequence[Option]] = {}
        for cell in CELLS:
            for node in range(NODES):
                if node:
                    choices[f"{cell}_inputs{node}"] = [f"{i}+{j}" for i, j in _pairs(node)]
                choices[f"{cell}_op{node}a"] = self.operations
                choices[f"{cell}_op{node}b"] = self.operations
        super().__init__(choices)

    def canonical(self, indices: Indices) -> Indices:
        """The representative of all rows that are the same network: each cell's nodes renumbered.

        A cell concatenates the outputs of its nodes, and the next layer mixes the channels, so that
        the order of the nodes does not matter. Nodes are numbered by depth, then by their edges.
        ``none`` gets the lowest map that the node's other operation does not read.
        """
        rows = indices.copy()
        for cell in CELLS:
            columns = [
                self.names.index(f"{cell}_{name}")
                for node in range(NODES)
                for name in (*[f"inputs{node}"][: bool(node)], f"op{node}a", f"op{node}b")
            ]
            rows[:, columns] = self._renumbered(indices[:, columns])
        return rows

    def _renumbered(self, cell: Indices) -> Indices:
        """Rows of one cell's choices, (B, 11), in canonical form."""
        size, n = len(cell), 2 + NODES
        b = np.arange(size)[:, None]
        starts = [3 * node - 1 if node else 0 for node in range(NODES)]
        pairs = [np.array(_pairs(node)) for node in range(NODES)]
        sources = np.zeros((size, n, 2), np.int64)
        ops = np.zeros((size, n, 2), np.int64)
        for node, start in enumerate(starts):
            chosen = cell[:, start] if node else np.zeros(size, np.int64)
            sources[:, 2 + node] = pairs[node][chosen]
            ops[:, 2 + node] = cell[:, start + bool(node) : start + bool(node) + 2]
        zero = np.isin(ops, [i for i, op in enumerate(self.operations) if op in ZERO])
        adjacency = np.zeros((size, n, n), np.int64)
        depth = np.tile(np.arange(n).clip(max=2), (size, 1))  # both inputs stay first
        for v in range(2, n):
            np.put_along_axis(
                adjacency[:, :, v], sources[:, v], np.where(zero[:, v], 0, ops[:, v] + 1), 1
            )
            above = np.take_along_axis(depth, sources[:, v], 1) + 1
            depth[:, v] = np.where(zero[:, v], 2, above).max(1).clip(min=2)
        order = canonical_order(adjacency, np.zeros((size, n), np.int64), depth)
        place = np.argsort(order, 1)
        out = np.zeros_like(cell)
        for node, start in enumerate(starts):
            old = order[:, 2 + node]
            op, unread = ops[b[:, 0], old], zero[b[:, 0], old]  # (B, 2)
            read = np.take_along_axis(place, sources[b[:, 0], old], 1)
            other = np.where(unread[:, ::-1], -1, read[:, ::-1])
            read = np.where(unread, other == 0, read)  # map 1 where the other reads 0
            read[unread.all(1)] = (0, 1)
            first = np.argsort(read, 1)
            read, op = np.take_along_axis(read, first, 1), np.take_along_axis(op, first, 1)
            if node:
                number = np.zeros((n, n), np.int64)
                number[tuple(pairs[node].T)] = np.arange(len(pairs[node]))
                out[:, start] = number[read[:, 0], read[:, 1]]
            out[:, start + bool(node) : start + bool(node) + 2] = op
        return out

    @cached_property
    def graph(self) -> GraphTemplate:
        n_ops, o_max = len(self.operations), int(self.sizes.max())
        n, f = 2 * VERTICES, 2 * (n_ops + 3)
        features = np.zeros((n, f), np.float32)
        adjacency = np.zeros((n, n), np.float32)
        feature_terms = np.zeros((len(self.sizes), o_max, n, f), np.float32)
        adjacency_terms = np.zeros((len(self.sizes), o_max, n, n), np.float32)
        for number, cell in enumerate(CELLS):
            first, column = number * VERTICES, number * (n_ops + 3)
            output = first + VERTICES - 1
            features[first, column] = features[first + 1, column + 1] = 1
            features[output, column + n_ops + 2] = 1
            for node, side in itertools.product(range(NODES), range(2)):
                vertex = first + 2 + 2 * node + side
                adjacency[vertex, output] = 1
                choice = self.names.index(f"{cell}_op{node}{'ab'[side]}")
                op = np.arange(n_ops)
                feature_terms[choice, op, vertex, column + 2 + op] = 1
                for option, pair in enumerate(_pairs(node)):
                    # Both operations of a node are read where the node is.
                    sources = [first + s for s in _vertices(pair[side])]
                    if node == 0:
                        adjacency[sources, vertex] = 1
                    else:
                        inputs = self.names.index(f"{cell}_inputs{node}")
                        adjacency_terms[inputs, option, sources, vertex] = 1
        adjacency[VERTICES - 1, VERTICES : VERTICES + 2] = 1
        return GraphTemplate(adjacency, features, feature_terms, adjacency_terms)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Each node's inputs with each of its operations, and its two operations together."""
        found = []
        for cell, node in itertools.product(CELLS, range(NODES)):
            inputs = [self.names.index(f"{cell}_inputs{node}")] if node else []
            a, b = (self.names.index(f"{cell}_op{node}{side}") for side in "ab")
            found += [(*inputs, a), (*inputs, b), (a, b)]
        return tuple(found)

    def _genotype(self, arch: Architecture) -> dict[str, list[tuple[str, int]]]:
        """For each cell the pairs (operation, feature map) of its nodes, the lower map first."""
        genotype = {}
        for cell in CELLS:
            pairs = []
            for node in range(NODES):
                maps = str(arch[f"{cell}_inputs{node}"]).split("+") if node else ("0", "1")
                for side, source in zip("ab", maps, strict=True):
                    pairs.append((str(arch[f"{cell}_op{node}{side}"]), int(source)))
            genotype[cell] = pairs
        return genotype

    def build(
        self, arch: Architecture, *, classes: int = 10, channels: int = 36, cells: int = 20
    ) -> nn.Module:
        """The network that DARTS trains on CIFAR, (B, 3, H, W) → (B, classes).

        Args:
            arch: Both cells.
            classes: Number of classes.
            channels: Channels of the first cells; 32 in NAS-Bench-301.
            cells: Number of cells, two of them reduction cells; 8 in NAS-Bench-301.

        Raises:
            InvalidValueError: The space has other operations.
        """
        from optiproxy.spaces.networks.darts import LAYERS, DartsNetwork

        check_buildable(self.operations, LAYERS, "DARTS")
        genotype = self._genotype(self.architecture(arch))
        return DartsNetwork(genotype["normal"], genotype["reduce"], classes, channels, cells)

    def to_text(self, arch: Architecture) -> str:
        """The genotype as DARTS prints it; the lower input of each node comes first."""
        parts = [
            f"{cell}={pairs!r}, {cell}_concat=range(2, 6)"
            for cell, pairs in self._genotype(arch).items()
        ]
        return f"Genotype({', '.join(parts)})"

    def parse_text(self, text: str) -> Mapping[str, Any]:
        """Reads a genotype as it is printed or stored; it is parsed and not executed."""
        try:
            form = literal(text)
        except ValueError as error:
            raise ValueError(f"{_HELP} ({error})") from None
        if not isinstance(form, dict):
            raise ValueError(_HELP)
        return self.parse_form(form)

    def parse_form(self, form: Any) -> Mapping[str, Any]:
        """Reads a genotype too: a named tuple or a mapping, pairs in a row or in pairs."""
        if not isinstance(form, Mapping) or not set(form) & set(CELLS):
            return super().parse_form(form)
        for cell in CELLS:
            if cell not in form:
                raise ValueError(f"{cell} is missing")
        mapping: dict[str, Any] = {}
        for cell in CELLS:
            pairs = form[cell]
            concat = form.get(f"{cell}_concat", ALL_NODES)
            if not isinstance(concat, list) or not _same(concat, ALL_NODES):
                raise ValueError(f"{cell}_concat must be the four nodes, range(2, 6)")
            if isinstance(pairs, list) and len(pairs) == NODES:  # by nodes
                pairs = [pair for node in pairs for pair in (node if _is_two(node) else [None])]
            if not isinstance(pairs, list) or len(pairs) != 2 * NODES:
                raise ValueError(f"{cell} must list {2 * NODES} pairs (operation, input)")
            for node in range(NODES):
                two = pairs[2 * node : 2 * node + 2]
                if not all(_is_pair(pair, node) for pair in two):
                    raise ValueError(
                        f"node {node} of {cell} has {two!r}; write two pairs (operation, input), "
                        f"inputs from 0 to {node + 1}"
                    )
                (op_a, a), (op_b, b) = sorted(two, key=lambda pair: pair[1])
                if a == b:
                    raise ValueError(f"node {node} of {cell} reads {a} twice")
                if node:
                    mapping[f"{cell}_inputs{node}"] = f"{a}+{b}"
                mapping[f"{cell}_op{node}a"], mapping[f"{cell}_op{node}b"] = op_a, op_b
        return mapping

    def picture(self, arch: Architecture) -> str:
        width = max(len(op) for op in self.operations)
        lines = []
        for cell, pairs in self._genotype(arch).items():
            lines.append(cell)
            for place, (op, source) in enumerate(pairs):
                name = f"input {source}" if source < 2 else f"node {source - 2}"
                lines.append(f"  {name:<7} ──{op:─^{width + 2}}──▶ node {place // 2}")
        return "\n".join(lines)

    def drawings(self, arch: Architecture) -> tuple[Drawing, ...]:
        """The normal and the reduction cell, each with its two inputs."""
        return tuple(self._drawn(*item) for item in self._genotype(arch).items())

    def _drawn(self, cell: str, pairs: Sequence[tuple[str, int]]) -> Drawing:
        vertices = [
            Vertex("input", ("cell before last",)),
            Vertex("input", ("last cell",)),
            *(Vertex("sum") for _ in range(NODES)),
            Vertex("output", ("concatenation",)),
        ]
        joined = [(2 + node, 2 + NODES) for node in range(NODES)]
        for place, (op, source) in enumerate(pairs):
            if op not in ZERO:
                joined += [(source, len(vertices)), (len(vertices), 2 + place // 2)]
                vertices.append(Vertex("operation", (op,)))
        return drawing(vertices, joined, cell)


def _pairs(node: int) -> list[tuple[int, int]]:
    """Pairs of feature maps that a node can read."""
    return list(itertools.combinations(range(node + 2), 2))


def _vertices(source: int) -> list[int]:
    """The vertices of a feature map in a cell's graph: an input, or both operations of a node."""
    return [source] if source < 2 else [2 * source - 2, 2 * source - 1]


def _is_pair(pair: object, node: int) -> bool:
    if not isinstance(pair, list) or len(pair) != 2:
        return False
    op, source = pair
    return isinstance(op, str) and type(source) is int and 0 <= source < node + 2


def _is_two(node: object) -> bool:
    return isinstance(node, list) and len(node) == 2


def _same(numbers: list[Any], others: list[int]) -> bool:
    return all(type(n) is int for n in numbers) and sorted(numbers) == others
