"""Cells with an operation on every edge of a dense DAG: NAS-Bench-201 and its kin.

Reference: Dong and Yang, NAS-Bench-201, ICLR 2020, https://arxiv.org/abs/2001.00326.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.spaces._operations import check_buildable, operation_problems, refuse
from optiproxy.spaces._refine import mix
from optiproxy.spaces.architecture import Architecture, GraphTemplate, Indices
from optiproxy.spaces.base import Space
from optiproxy.spaces.combinations import ENUMERABLE
from optiproxy.spaces.drawing import Drawing, Vertex, drawing

if TYPE_CHECKING:
    from torch import nn

NB201_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

# The number of paths doubles with every node; the longest are left out beyond this many.
MAX_PATHS = 64

# Names of operations that output zero, and of those that output their input.
ZERO = ("none",)
IDENTITY = ("skip_connect", "skip")


class Cell(Space):
    """`nodes` feature maps in a row; every pair i < j is joined by one of `operations`.

    The choices are the edges, named ``"0>1", "0>2", "1>2", …`` by target, then source. The graph
    encoding is the line graph: input, one vertex for each edge, output, with the
    operations on the edges as vertex features, so N = edges + 2 and F = operations + 2.

    >>> space = Cell(nodes=4, operations=NB201_OPERATIONS)
    >>> space.count
    15625
    >>> arch = space.sample(1, seed=0)[0]
    >>> space.architecture(space.to_text(arch)) == arch
    True

    Args:
        nodes: At least 2; the first is the input, the last the output.
        operations: The same list for each edge.

    Raises:
        InvalidValueError: Fewer than two nodes, or operations that are empty, listed twice or no
            text; all mistakes are in one message.
    """

    def __init__(self, nodes: int, operations: Sequence[str]) -> None:
        problems = operation_problems(operations, r"[^|~+\s]+", "| ~ + or spaces")
        if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 2:
            problems.append(f"nodes: got {nodes!r}; give a whole number of 2 or more")
        refuse("Cell", problems)
        self.nodes = nodes
        self.operations = tuple(operations)
        self.edges = tuple((i, j) for j in range(1, nodes) for i in range(j))
        super().__init__({f"{i}>{j}": self.operations for i, j in self.edges})

    def canonical(self, indices: Indices) -> Indices:
        """The first row, in lexicographic order, of those that compute the same function.

        ``none`` (see `ZERO`) outputs zero, and so does an operation whose input is zero; a skip
        (see `IDENTITY`) outputs the sum of its node's inputs, term by term; terms may be added in
        any order. The 15,625 cells of NAS-Bench-201 have 4,930 functions. (Its paper counts 6,466,
        since it distinguishes cells by the number of zeros that they add.)

        In a cell too large to be listed, only edges on no path from input to output are changed: to
        the first of `ZERO`.
        """
        if self.count <= ENUMERABLE:
            shape = tuple(self.sizes.tolist())
            numbers = np.ravel_multi_index(tuple(indices.T), shape)
            first = self._first_equal[numbers]
            return np.stack(np.unravel_index(first, shape), 1).astype(np.int64)
        zeros = [self.operations.index(op) for op in self.operations if op in ZERO]
        if not zeros:
            return indices.copy()
        ahead, back = np.zeros((2, len(indices), self.nodes), dtype=bool)
        ahead[:, 0] = back[:, -1] = True
        open_edge = indices != zeros[0]
        for c, (i, j) in enumerate(self.edges):  # by target
            ahead[:, j] |= ahead[:, i] & open_edge[:, c]
        for i, j in sorted(self.edges, reverse=True):  # by source, the last one first
            back[:, i] |= back[:, j] & open_edge[:, self.edges.index((i, j))]
        sources, targets = np.array(self.edges).T
        active = ahead[:, sources] & back[:, targets]
        return np.where(active, indices, zeros[0])

    @cached_property
    def _first_equal(self) -> NDArray[np.int64]:
        """For each row of `all_indices` the number of the first row with the same function."""
        functions = self._functions(self.all_indices)
        _, first, which = np.unique(functions, return_index=True, return_inverse=True)
        return np.asarray(first[which])

    def _functions(self, indices: Indices) -> NDArray[np.uint64]:
        """A hash of each cell's function, (B,): a node is the sum of its terms' hashes."""
        nodes = np.zeros((self.nodes, len(indices)), np.uint64)
        nodes[0] = 1
        number = np.arange(1, len(self.operations) + 1, dtype=np.uint64) << np.uint64(32)
        zero = np.array([op in ZERO for op in self.operations])
        skip = np.array([op in IDENTITY for op in self.operations])
        for c, (i, j) in enumerate(self.edges):
            op = indices[:, c]
            term = np.where(skip[op], nodes[i], mix(nodes[i] + mix(number[op])))
            nodes[j] += np.where(zero[op] | (nodes[i] == 0), np.uint64(0), term)
        return np.asarray(nodes[-1])

    @cached_property
    def graph(self) -> GraphTemplate:
        n_edges, n_ops = len(self.edges), len(self.operations)
        # The choices are in topological order: by target, then by source.
        adjacency = np.zeros((n_edges + 2, n_edges + 2), np.float32)
        for a, (i, j) in enumerate(self.edges):
            if i == 0:
                adjacency[0, a + 1] = 1
            if j == self.nodes - 1:
                adjacency[a + 1, -1] = 1
            for b, (k, _) in enumerate(self.edges):
                if j == k:
                    adjacency[a + 1, b + 1] = 1
        features = np.zeros((n_edges + 2, n_ops + 2), np.float32)
        features[0, 0] = features[-1, -1] = 1
        terms = np.zeros((n_edges, n_ops, n_edges + 2, n_ops + 2), np.float32)
        e, o = np.indices((n_edges, n_ops))
        terms[e, o, e + 1, o + 1] = 1
        return GraphTemplate(adjacency, features, terms)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        number = {edge: c for c, edge in enumerate(self.edges)}
        inner = range(1, self.nodes - 1)
        found = []
        for length in range(self.nodes - 1):
            for middle in itertools.combinations(inner, length):
                stops = (0, *middle, self.nodes - 1)
                found.append(tuple(number[edge] for edge in itertools.pairwise(stops)))
                if len(found) == MAX_PATHS:
                    return tuple(found)
        return tuple(found)

    @cached_property
    def zero_options(self) -> NDArray[np.bool_]:
        """``none`` (see `ZERO`) on every edge; nothing where `paths` omits some."""
        if len(self.paths) < 2 ** (self.nodes - 2):
            return super().zero_options
        return np.tile([op in ZERO for op in self.operations], (len(self.edges), 1))

    def to_text(self, arch: Architecture) -> str:
        """NAS-Bench-201's text: ``|op~0|+|op~0|op~1|+…``, a group for each node."""
        groups = (
            "|" + "".join(f"{arch[f'{i}>{j}']}~{i}|" for i in range(j))
            for j in range(1, self.nodes)
        )
        return "+".join(groups)

    def parse_text(self, text: str) -> Mapping[str, Any]:
        if text.lstrip()[:1] in ("{", "[", "("):
            return super().parse_text(text)
        mapping: dict[str, str] = {}
        # Logs print `Structure(4 nodes with |…|)`, with or without spaces and quotation marks.
        printed = re.fullmatch(r"\s*\w+\(\d+ nodes with (.*)\)\s*", text, re.DOTALL)
        cell = (printed[1] if printed else text).strip().strip("'\"")
        for j, group in enumerate(map(str.strip, cell.split("+")), start=1):
            if not (len(group) > 2 and group.startswith("|") and group.endswith("|")):
                raise ValueError(f"node {j} reads {group!r}; write |operation~source|…|")
            for part in group[1:-1].split("|"):
                op, _, source = part.partition("~")
                name = f"{source}>{j}"
                if name not in self.choices or name in mapping:
                    raise ValueError(
                        f"node {j} reads {group!r}; {part!r} is not an edge, or is one twice"
                    )
                mapping[name] = op
        return mapping

    def parse_form(self, form: Any) -> Mapping[str, Any]:
        """Reads the published code's ``Structure`` too, as an object or as lists for its nodes of
        pairs (operation, source).
        """
        if hasattr(form, "tostr"):
            return self.parse_text(form.tostr())
        if not isinstance(form, list):
            return super().parse_form(form)
        mapping: dict[str, Any] = {}
        for j, node in enumerate(form, start=1):
            for pair in node if isinstance(node, list) else [node]:
                if not isinstance(pair, list) or len(pair) != 2:
                    raise ValueError(f"node {j} has {pair!r}; write pairs (operation, source)")
                mapping[f"{pair[1]}>{j}"] = pair[0]
        return mapping

    def picture(self, arch: Architecture) -> str:
        width = max(len(op) for op in self.operations)
        lines = []
        for (i, j), op in zip(self.edges, arch.values(), strict=True):
            source = "input" if i == 0 else f"node {i}"
            target = "output" if j == self.nodes - 1 else f"node {j}"
            lines.append(f"{source:<7} ──{op!s:─^{width + 2}}──▶ {target}")
        return "\n".join(lines)

    def drawings(self, arch: Architecture) -> tuple[Drawing, ...]:
        """The feature maps, and the operations between them; operations of `ZERO` are left out."""
        last = self.nodes - 1
        vertices = [
            Vertex("input", ("input",)),
            *(Vertex("sum") for _ in range(1, last)),
            Vertex("output", ("output",)),
        ]
        joined: list[tuple[int, int]] = []
        for (i, j), op in zip(self.edges, arch.values(), strict=True):
            if op not in ZERO:
                joined += [(i, len(vertices)), (len(vertices), j)]
                vertices.append(Vertex("operation", (str(op),)))
        return (drawing(vertices, joined),)

    def build(
        self, arch: Architecture, *, classes: int = 10, channels: int = 16, cells: int = 5
    ) -> nn.Module:
        """NAS-Bench-201's network around the cell, (B, 3, H, W) → (B, classes).

        Args:
            arch: The cell, with operations of NAS-Bench-201.
            classes: 10, 100 or 120 on the benchmark's data sets.
            channels: Channels of the first stage.
            cells: Cells in each of the three stages.

        Raises:
            InvalidValueError: The space has other operations.
        """
        from optiproxy.spaces.networks.nb201 import LAYERS, NONE, network

        check_buildable(self.operations, (NONE, *LAYERS), "NAS-Bench-201")
        options = self.architecture(arch).values()
        operations = {edge: str(op) for edge, op in zip(self.edges, options, strict=True)}
        return network(operations, classes, channels, cells)
