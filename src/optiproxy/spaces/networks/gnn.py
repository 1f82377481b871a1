"""The network that NAS-Bench-Graph trains: four layers on a tree, a classifier of its leaves.

Graphs are given as edges, (2, E): row 0 the sources, row 1 the targets, both directions of an
undirected edge, no loops. References: Qin et al., NAS-Bench-Graph, NeurIPS 2022,
https://arxiv.org/abs/2206.09166, section 3; the layers' own papers are named at each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

HEADS = 2  # "GAT with 2 heads", says the benchmark's list of operations
SLOPE = 0.2  # of the leaky ReLU of the attention, GAT section 2.1


def total(x: Tensor, edges: Tensor) -> Tensor:
    """At each vertex the sum of its in-neighbours' features, (V, F)."""
    return _sums(x[edges[0]], edges[1], len(x))


def mean(x: Tensor, edges: Tensor) -> Tensor:
    """Their mean; 0 at a vertex that has none."""
    return total(x, edges) / _degrees(x, edges).clamp(min=1)[:, None]


def normalised(x: Tensor, edges: Tensor) -> Tensor:
    """Their sum, each edge divided by the root of both ends' degrees: D^-1/2 A D^-1/2 X."""
    root = _degrees(x, edges).clamp(min=1).rsqrt()[:, None]
    return root * total(root * x, edges)


def _degrees(x: Tensor, edges: Tensor) -> Tensor:
    return _sums(torch.ones_like(x[edges[1]][:, :1]), edges[1], len(x))[:, 0]


def _sums(values: Tensor, target: Tensor, vertices: int) -> Tensor:
    """Sums of the edges' values (E, F) at their target vertices, (V, F)."""
    # Not index_add, which can't be exported to ONNX.
    rows = target[:, None].expand_as(values)
    return values.new_zeros(vertices, values.shape[1]).scatter_add(0, rows, values)


def _with_loops(x: Tensor, edges: Tensor) -> Tensor:
    """The edges with an additional loop at each vertex."""
    return torch.cat([edges, torch.arange(len(x), device=x.device).expand(2, -1)], 1)


def _around_and_self(x: Tensor, edges: Tensor) -> Tensor:
    return normalised(x, _with_loops(x, edges))


Mix = Callable[[Tensor, Tensor], Tensor]

# Operations with one linear map for a vertex and its neighbours.
ONE_MAP: dict[str, Mix] = {
    "gcn": _around_and_self,  # Kipf and Welling, ICLR 2017, eq. 2
    "gin": lambda x, edges: x + total(x, edges),  # Xu et al., ICLR 2019, eq. 4.1 with epsilon 0
    "fc": lambda x, edges: x,
}
# Operations with one map for the vertex and another for its neighbours.
TWO_MAPS: dict[str, Mix] = {
    "cheb": lambda x, edges: -normalised(x, edges),  # Defferrard et al., NIPS 2016, K = 2
    "sage": mean,  # Hamilton et al., NIPS 2017, algorithm 1
    "arma": normalised,  # Bianchi et al., TPAMI 2021, eq. 7, one layer of one stack
    "graph": total,  # the k-GNN of Morris et al., AAAI 2019, eq. 5
}
SKIP = "skip"
OPERATIONS = ("gat", *ONE_MAP, *TWO_MAPS, SKIP)


class OneMap(nn.Module):
    """``mix(X) W + b``, (V, inputs) → (V, outputs)."""

    def __init__(self, operation: str, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = ONE_MAP[operation]
        self.map = nn.Linear(inputs, outputs, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        # Mixing is linear and comes second, since maps mostly reduce the features.
        return self.mix(self.map(x), edges) + self.bias


class TwoMaps(nn.Module):
    """``X W + mix(X) V + b``, (V, inputs) → (V, outputs); ARMA's layer ends in a ReLU."""

    def __init__(self, operation: str, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mix = TWO_MAPS[operation]
        self.rectified = operation == "arma"
        self.own = nn.Linear(inputs, outputs)
        self.around = nn.Linear(inputs, outputs, bias=False)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        y: Tensor = self.own(x) + self.mix(self.around(x), edges)
        return y.relu() if self.rectified else y


class Attention(nn.Module):
    """Velickovic et al., ICLR 2018, eqs. 3 and 5: (V, inputs) → (V, outputs), heads joined."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.map = nn.Linear(inputs, outputs, bias=False)
        size = outputs // HEADS
        self.source, self.target = (
            nn.Parameter(nn.init.xavier_uniform_(torch.empty(HEADS, size))) for _ in range(2)
        )
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        source, target = _with_loops(x, edges)
        h = self.map(x).view(len(x), HEADS, -1)  # (V, H, F)
        scores = (h * self.source).sum(2)[source] + (h * self.target).sum(2)[target]  # (E, H)
        scores = nn.functional.leaky_relu(scores, SLOPE)
        # A softmax over the edges that lead to each vertex.
        rows = target[:, None].expand_as(scores)
        most = torch.full_like(h[:, :, 0], -torch.inf).scatter_reduce(0, rows, scores, "amax")
        weights = (scores - most.detach()[target]).exp()
        # index_add makes the export to ONNX fail, which would give the maximum a wrong shape.
        sums = torch.zeros_like(most).index_add(0, target, weights)
        messages = h[source] * (weights / sums[target])[:, :, None]
        return torch.zeros_like(h).index_add(0, target, messages).flatten(1) + self.bias


class Skip(nn.Module):
    """The identity."""

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        return x


def _layer(operation: str, inputs: int, outputs: int) -> nn.Module:
    if operation == SKIP:
        return Skip()
    if operation == "gat":
        return Attention(inputs, outputs)
    return (OneMap if operation in ONE_MAP else TwoMaps)(operation, inputs, outputs)


class GraphNetwork(nn.Module):
    """The whole network: features (V, features) and edges (2, E) → (V, classes).

    A layer that does not read the raw features begins with batch norm, ReLU and dropout. The leaves
    of the tree are concatenated and, after a ReLU, classified.

    Args:
        parents: The input of each layer, 0 or 1 + an earlier layer's number.
        operations: Of the layers.
        features: Number of features of a vertex.
        classes: Number of classes.
        width: Width of the layers.
        before: Whether a linear layer comes before the others.
        after: Whether a linear layer comes before the classifier.
        dropout: Share of features dropped in training.
    """

    def __init__(
        self,
        parents: Sequence[int],
        operations: Sequence[str],
        features: int,
        classes: int,
        width: int,
        before: bool,
        after: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.parents = list(parents)
        self.dropout = nn.Dropout(dropout)
        self.before = nn.Linear(features, width) if before else nn.Identity()
        # Whether each value is the raw features, which a skip passes on.
        raw = [not before]
        self.layers, self.norms = nn.ModuleList(), nn.ModuleDict()
        for place, (parent, operation) in enumerate(zip(parents, operations, strict=True)):
            self.layers.append(_layer(operation, features if raw[parent] else width, width))
            raw.append(raw[parent] and operation == SKIP)
            if not raw[parent]:
                self.norms[str(place)] = nn.BatchNorm1d(width)
        self.leaves = [v for v in range(1, len(raw)) if v not in self.parents]
        joined = len(self.leaves) * width
        self.after = nn.Linear(joined, width) if after else nn.Identity()
        self.classifier = nn.Linear(width if after else joined, classes)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        values = [self.before(self.dropout(x))]
        for place, (parent, layer) in enumerate(zip(self.parents, self.layers, strict=True)):
            value = values[parent]
            if str(place) in self.norms:
                value = self.dropout(self.norms[str(place)](value).relu())
            values.append(layer(value, edges))
        y = torch.cat([values[v] for v in self.leaves], 1).relu()
        return self.classifier(self.after(y))  # type: ignore[no-any-return]
