"""Cells with an operation on every vertex and optional edges: NAS-Bench-101 and its kin.

Reference: Ying et al., NAS-Bench-101, ICML 2019, https://arxiv.org/abs/1902.09635.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import invalid
from optiproxy.spaces._forms import plain
from optiproxy.spaces._nb101_hash import nb101_hash
from optiproxy.spaces._operations import check_buildable, operation_problems, refuse
from optiproxy.spaces._refine import canonical_order, row_keys
from optiproxy.spaces.architecture import Architecture, GraphTemplate, Indices
from optiproxy.spaces.base import Space

if TYPE_CHECKING:
    from torch import nn

# In the published order, on which the graph hash depends.
NB101_OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")

# The number of paths doubles with every vertex; after these, paths of over three edges are omitted.
MAX_PATHS = 64
# Edge sets that `distinct_indices` enumerates at most: 2^21 for seven vertices.
MAX_SKELETONS = 2**22
_CHUNK = 50_000
# The names of matrix and operations in NAS-Bench-101's data, and in other code.
_CELL_NAMES = (("module_adjacency", "module_operations"), ("matrix", "ops"))


class Graph(Space):
    """A DAG whose first vertex is the input, whose last is the output, and the others operations.

    The choices are the possible edges, ``"0>1", "0>2", …, "1>2", …`` by source, then target, each
    False or True, and the operations ``"op1", "op2", …`` of the inner vertices.

    Vertices on no path from input to output are inactive: they and their edges change nothing, and
    `canonical` prunes them. An architecture is valid, as published, when the output can be reached
    from the input and at most `max_edges` edges remain after pruning.

    >>> space = Graph(vertices=7, operations=NB101_OPERATIONS, max_edges=9)
    >>> cell = [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    >>> arch = space.cell(cell, ["input", "conv3x3-bn-relu", "output"])
    >>> space.to_text(arch).partition("|")[0]
    '100001000010000000000'

    Args:
        vertices: At least 2, input and output included.
        operations: The same list for each inner vertex.
        max_edges: The largest number of edges; by default unlimited.

    Raises:
        InvalidValueError: An argument can't be used; all mistakes are in one message.
    """

    def __init__(
        self, vertices: int, operations: Sequence[str], *, max_edges: int | None = None
    ) -> None:
        self.vertices = vertices
        self.operations = tuple(operations) if isinstance(operations, Sequence) else ()
        self.max_edges = max_edges
        refuse("Graph", self._problems(operations))
        self.edges = tuple(itertools.combinations(range(vertices), 2))
        edges = {f"{i}>{j}": (False, True) for i, j in self.edges}
        inner = {f"op{v}": self.operations for v in range(1, vertices - 1)}
        super().__init__({**edges, **inner})

    def _problems(self, operations: object) -> list[str]:
        problems = []
        if not _whole(self.vertices, 2):
            problems.append(f"vertices: got {self.vertices!r}; give a whole number of 2 or more")
        problems += operation_problems(operations, r"[^|\s]+", "| or spaces")
        if self.max_edges is not None and not _whole(self.max_edges, 1):
            problems.append(f"max_edges: got {self.max_edges!r}; give a whole number of 1 or more")
        return problems

    def _definition(self) -> dict[str, Any]:
        return {"max_edges": self.max_edges}

    # ---- edges and operations of a batch ----

    def _matrices(self, indices: Indices) -> NDArray[np.bool_]:
        """The adjacency of each row, (B, N, N)."""
        adjacency = np.zeros((len(indices), self.vertices, self.vertices), dtype=bool)
        sources, targets = np.array(self.edges).T
        adjacency[:, sources, targets] = indices[:, : len(self.edges)] == 1
        return adjacency

    def _active(self, adjacency: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(B, N), whether a vertex lies on a path from input to output."""
        ahead, back = np.zeros((2, *adjacency.shape[:2]), dtype=bool)
        ahead[:, 0] = back[:, -1] = True
        for v in range(1, self.vertices):
            ahead[:, v] = (ahead[:, :v] & adjacency[:, :v, v]).any(1)
        for v in reversed(range(self.vertices - 1)):
            back[:, v] = (back[:, v + 1 :] & adjacency[:, v, v + 1 :]).any(1)
        return np.asarray(ahead & back)

    def _pruned(self, indices: Indices) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """The adjacency without inactive edges, (B, N, N), and the active vertices, (B, N)."""
        adjacency = self._matrices(indices)
        active = self._active(adjacency)
        return adjacency & active[:, :, None] & active[:, None, :], active

    def _rows(self, adjacency: NDArray[np.bool_], ops: Indices) -> Indices:
        sources, targets = np.array(self.edges).T
        return np.concatenate([adjacency[:, sources, targets].astype(np.int64), ops], 1)

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        adjacency, active = self._pruned(indices)
        if self.max_edges is None:
            return active[:, 0]
        return np.asarray(active[:, 0] & (adjacency.sum((1, 2)) <= self.max_edges))

    def canonical(self, indices: Indices) -> Indices:
        """The representative of all cells that are equal after pruning and renumbering.

        Inactive vertices come after the others, without edges and with the first operation.
        """
        chunks = [
            self._canonical(indices[start : start + _CHUNK])
            for start in range(0, len(indices), _CHUNK)
        ]
        return np.concatenate(chunks) if chunks else indices.copy()

    def _canonical(self, indices: Indices) -> Indices:
        n = self.vertices
        adjacency, active = self._pruned(indices)
        ops = np.zeros((len(indices), n), np.int64)
        ops[:, 1:-1] = indices[:, len(self.edges) :]
        ops[~active] = 0
        labels = ops + 1
        labels[:, 0] = labels[:, -1] = 0  # unlike operations; their depths differ
        depth = np.zeros((len(indices), n), np.int64)
        for v in range(1, n):
            depth[:, v] = ((depth[:, :v] + 1) * adjacency[:, :v, v]).max(1)
        depth[~active] = n
        depth[:, -1] = n + 1
        # Inactive vertices are alike: different labels avoid ties between them.
        labels = np.where(active, labels, len(self.operations) + 1 + np.arange(n))
        order = canonical_order(adjacency, labels, depth)
        b = np.arange(len(indices))[:, None]
        adjacency = adjacency[b[:, :, None], order[:, :, None], order[:, None, :]]
        return self._rows(adjacency, np.take_along_axis(ops, order, 1)[:, 1:-1])

    @cached_property
    def distinct_indices(self) -> Indices:
        """One canonical row for each distinct cell, (cells, C): 423,624 in NAS-Bench-101.

        Raises:
            InvalidValueError: The space is too large to be enumerated.
        """
        if 2 ** len(self.edges) > MAX_SKELETONS:
            raise invalid("Graph: vertices", self.vertices, "list distinct cells of 7 or fewer")
        first = np.zeros(self.vertices - 2, np.int64)
        skeletons = np.concatenate([
            self._skeletons(np.arange(start, min(start + _CHUNK, 2 ** len(self.edges))), first)
            for start in range(0, 2 ** len(self.edges), _CHUNK)
        ])  # fmt: skip
        skeletons = self._unique(self.canonical(skeletons))
        labelled = itertools.product(range(len(self.operations)), repeat=len(first))
        ops = np.array(list(labelled), dtype=np.int64)
        rows = np.repeat(skeletons, len(ops), 0)
        rows[:, len(self.edges) :] = np.tile(ops, (len(skeletons), 1))
        # The operation of an inactive vertex makes no difference: only its first one is kept.
        inactive = ~self._active(self._matrices(rows))[:, 1:-1]
        rows = rows[~(inactive & (rows[:, len(self.edges) :] > 0)).any(1)]
        return self._unique(self.canonical(rows))

    def _unique(self, rows: Indices) -> Indices:
        """The different rows in lexicographic order; numbers sort faster than rows."""
        numbers = np.ravel_multi_index(tuple(rows.T), tuple(self.sizes.tolist()))
        return rows[np.unique(numbers, return_index=True)[1]]

    def _skeletons(self, numbers: NDArray[np.int64], ops: Indices) -> Indices:
        """The rows without inactive edges whose edges are the bits of `numbers`."""
        edges = numbers[:, None] >> np.arange(len(self.edges)) & 1
        if self.max_edges is not None:
            edges = edges[edges.sum(1) <= self.max_edges]
        rows = np.concatenate([edges, np.tile(ops, (len(edges), 1))], 1)
        rows = rows[self.valid(rows)]
        adjacency = self._matrices(rows)
        return rows[(adjacency.any(1) | adjacency.any(2) <= self._active(adjacency)).all(1)]

    def random_indices(self, n: int, rng: np.random.Generator) -> Indices:
        """`n` valid rows, with replacement; (n, C).

        They are uniform over the valid rows with at most `max_edges` edges, inactive ones included.
        Every cell is among these; rows with more edges repeat the small cells. The number of edges
        is drawn first, in proportion to the number of ways to place them, then their places; rows
        that do not reach the output are drawn again.
        """
        total = len(self.edges)
        most = total if self.max_edges is None else min(self.max_edges, total)
        ways = np.array([math.comb(total, m) for m in range(most + 1)], dtype=np.float64)
        found = [np.empty((0, len(self.sizes)), np.int64)]
        for _ in range(1000):
            if sum(map(len, found)) >= n:
                break
            draws = max(2 * n, 64)
            edges = rng.choice(most + 1, size=draws, p=ways / ways.sum())
            places = rng.random((draws, total)).argsort(1).argsort(1) < edges[:, None]
            ops = rng.integers(0, len(self.operations), size=(draws, self.vertices - 2))
            rows = np.concatenate([places.astype(np.int64), ops], 1)
            found.append(rows[self.valid(rows)])
        rows = np.concatenate(found)
        if len(rows) < n:
            raise invalid(
                "space", repr(self), "hardly any graph reaches its output; raise max_edges"
            )
        return rows[:n]

    def neighbour_indices(self, rows: Indices) -> Indices:
        """The neighbouring cells of each of `rows`, each once, in canonical form.

        Neighbours have one operation changed, one edge more or less, or one more vertex between two
        others, beside or instead of the edge between these.
        """
        out = [np.empty((0, len(self.sizes)), np.int64)]
        for row in self.canonical(rows):
            near = np.concatenate([super().neighbour_indices(row[None]), self._grown(row)])
            near = self.canonical(near[self.valid(near)])
            near = near[(near != row).any(1)]
            _, first = np.unique(row_keys(near), return_index=True)
            out.append(near[np.sort(first)])
        return np.concatenate(out)

    def _grown(self, row: Indices) -> Indices:
        """A canonical row (C,) with one more vertex in all possible places; (rows, C)."""
        adjacency = self._matrices(row[None])[0]
        n, size = self.vertices, int(self._active(adjacency[None]).sum())
        grown = []
        for i, j in itertools.combinations([*range(size - 1), n - 1] if size < n else [], 2):
            # The last free place becomes vertex i + 1; the vertices from there on move by one.
            order = [*range(i + 1), size - 1, *range(i + 1, size - 1), *range(size, n)]
            a = adjacency[np.ix_(order, order)]
            ops = np.array([0, *row[len(self.edges) :], 0])[order]
            target = j if j == n - 1 else j + 1
            a[i, i + 1] = a[i + 1, target] = True
            for replaces in (False, True)[: 1 + bool(a[i, target])]:
                a[i, target] &= not replaces
                for op in range(len(self.operations)):
                    ops[i + 1] = op
                    grown.append(self._rows(a[None], ops[None, 1:-1])[0])
        return np.array(grown, dtype=np.int64).reshape(-1, len(self.sizes))

    # ---- encodings ----

    @cached_property
    def graph(self) -> GraphTemplate:
        n, n_ops, e = self.vertices, len(self.operations), len(self.edges)
        features = np.zeros((n, n_ops + 2), np.float32)
        features[0, 0] = features[-1, -1] = 1
        o_max = int(self.sizes.max())
        feature_terms = np.zeros((len(self.sizes), o_max, n, n_ops + 2), np.float32)
        vertex, op = np.indices((n - 2, n_ops))
        feature_terms[e + vertex, op, vertex + 1, op + 1] = 1
        adjacency_terms = np.zeros((len(self.sizes), o_max, n, n), np.float32)
        sources, targets = np.array(self.edges).T
        adjacency_terms[np.arange(e), 1, sources, targets] = 1
        return GraphTemplate(np.zeros((n, n), np.float32), features, feature_terms, adjacency_terms)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Paths from input to output, short ones first: their edges and operations in turn."""
        number = {edge: c for c, edge in enumerate(self.edges)}
        found: list[tuple[int, ...]] = []
        for length in range(self.vertices - 1):
            for middle in itertools.combinations(range(1, self.vertices - 1), length):
                if length > 2 and len(found) >= MAX_PATHS:  # up to 2 every choice is in one
                    return tuple(found)
                stops = (0, *middle, self.vertices - 1)
                path = []
                for i, j in itertools.pairwise(stops):
                    path.append(number[i, j])
                    if j < self.vertices - 1:
                        path.append(len(self.edges) + j - 1)
                found.append(tuple(path))
        return tuple(found)

    @cached_property
    def zero_options(self) -> NDArray[np.bool_]:
        """Edges that are absent; nothing where `paths` omits some."""
        absent = np.zeros_like(self.mask)
        if len(self.paths) == 2 ** (self.vertices - 2):
            absent[: len(self.edges), 0] = True
        return absent

    # ---- reading and writing ----

    def cell(self, matrix: Sequence[Sequence[int]], operations: Sequence[str]) -> Architecture:
        """The canonical architecture of a published matrix, which is pruned first.

        Args:
            matrix: n x n zeros and ones, upper triangular, 2 ≤ n ≤ vertices.
            operations: Of the n vertices; the first and the last stand for input and output.

        Raises:
            InvalidValueError: It is not such a matrix, or the pruned cell is not in the space.
        """
        a = np.asarray(matrix)
        n = len(operations)
        if a.shape != (n, n) or not 2 <= n <= self.vertices or not np.isin(a, (0, 1)).all():
            remedy = f"give n x n zeros and ones for n operations, n from 2 to {self.vertices}"
            raise invalid("cell: matrix", np.shape(a), remedy)
        if np.tril(a).any():
            raise invalid(
                "cell: matrix", a.tolist(), "give edges from lower to higher numbers only"
            )
        unknown_ops = [op for op in operations[1:-1] if op not in self.operations]
        if unknown_ops:
            remedy = f"give some of {', '.join(self.operations)}"
            raise invalid("cell: operations", unknown_ops, remedy)
        place = [*range(n - 1), self.vertices - 1]
        adjacency = np.zeros((1, self.vertices, self.vertices), dtype=bool)
        adjacency[0][np.ix_(place, place)] = a == 1
        ops = np.zeros((1, self.vertices - 2), np.int64)
        ops[0, : n - 2] = [self.operations.index(op) for op in operations[1:-1]]
        row = self.canonical(self._rows(adjacency, ops))
        if not self.valid(row)[0]:
            remedy = f"its output can't be reached, or it has over {self.max_edges} edges"
            raise invalid("cell: matrix", a.tolist(), remedy)
        return self.from_indices(row)[0]

    def hash(self, arch: Architecture) -> str:
        """NAS-Bench-101's hash of the cell; equal for cells that are equal after pruning."""
        row = self.canonical(self.to_indices([arch]))
        adjacency = self._matrices(row)
        active = np.flatnonzero(self._active(adjacency)[0])
        labels = [-1, *row[0, len(self.edges) :][: len(active) - 2].tolist(), -2]
        edges = np.argwhere(adjacency[0][np.ix_(active, active)]).tolist()
        return nb101_hash([(i, j) for i, j in edges], labels)

    def build(
        self, arch: Architecture, *, classes: int = 10, channels: int = 128, modules: int = 3
    ) -> nn.Module:
        """NAS-Bench-101's network of the cell, (B, 3, H, W) → (B, classes).

        Args:
            arch: The cell, with operations of NAS-Bench-101.
            classes: Number of classes.
            channels: Channels of the first of three stacks.
            modules: Cells in each stack.

        Raises:
            InvalidValueError: The space has other operations.
        """
        from optiproxy.spaces.networks.nb101 import LAYERS, network

        check_buildable(self.operations, LAYERS, "NAS-Bench-101")
        (adjacency,), (active,) = self._pruned(self.to_indices([self.architecture(arch)]))
        kept = np.flatnonzero(active)
        edges = [(int(i), int(j)) for i, j in np.argwhere(adjacency[np.ix_(kept, kept)])]
        operations = [str(arch[f"op{v}"]) for v in kept[1:-1]]
        return network(edges, operations, classes, channels, modules)

    def to_text(self, arch: Architecture) -> str:
        """``1100…|op1|op2|…``: the upper triangle row by row, then the operations."""
        options = list(arch.values())
        bits = "".join(str(int(bool(edge))) for edge in options[: len(self.edges)])
        return "|".join([bits, *(str(op) for op in options[len(self.edges) :])])

    def parse_text(self, text: str) -> Mapping[str, Any]:
        if text.lstrip()[:1] in ("{", "["):
            return super().parse_text(text)
        bits, *ops = text.strip().split("|")
        if len(bits) != len(self.edges) or set(bits) - set("01") or len(ops) != self.vertices - 2:
            raise ValueError(
                f"write {len(self.edges)} digits 0 or 1, then {self.vertices - 2} operations, "
                "all separated by |"
            )
        return dict(zip(self.names, [*(bit == "1" for bit in bits), *ops], strict=True))

    def parse_form(self, form: Any) -> Mapping[str, Any]:
        """Reads NAS-Bench-101's rows too: a mapping with ``module_adjacency`` and
        ``module_operations``, an object with ``matrix`` and ``ops``, or both in a list.
        """
        if isinstance(form, Mapping):
            named = [names for names in _CELL_NAMES if set(names) <= set(form)]
            parts = [form[name] for names in named[:1] for name in names]
        elif isinstance(form, list):
            parts = form
        else:
            parts = [plain(getattr(form, name, None)) for name in ("matrix", "ops")]
        if len(parts) != 2 or None in parts:
            return super().parse_form(form)
        matrix, operations = parts
        if not _is_square(matrix) or not isinstance(operations, list):
            raise ValueError("write a matrix of zeros and ones, and a list of operations")
        return self.cell(matrix, operations)

    def picture(self, arch: Architecture) -> str:
        """One line for each active vertex, with the vertices that it reads."""
        (adjacency,), (active,) = self._pruned(self.to_indices([arch]))
        names = {0: "input", self.vertices - 1: "output"}
        names |= {v: f"{v} {arch[f'op{v}']}" for v in range(1, self.vertices - 1)}
        width = max(len(names[int(v)]) for v in np.flatnonzero(active))
        return "\n".join(
            f"{names[int(v)]:<{width}}  ◀── "
            + ", ".join("input" if u == 0 else str(u) for u in np.flatnonzero(adjacency[:, v]))
            for v in np.flatnonzero(active)[1:]
        )


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_square(matrix: object) -> bool:
    rows = matrix if isinstance(matrix, list) else []
    return bool(rows) and all(isinstance(row, list) and len(row) == len(rows) for row in rows)
