"""Graph networks of four layers on a tree of links: NAS-Bench-Graph.

Reference: Qin et al., NAS-Bench-Graph, NeurIPS 2022, https://arxiv.org/abs/2206.09166.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import invalid, truth
from optiproxy.spaces._forms import plain
from optiproxy.spaces._operations import check_buildable, operation_problems, refuse
from optiproxy.spaces.architecture import Architecture, GraphTemplate, Indices
from optiproxy.spaces.base import Space

if TYPE_CHECKING:
    from torch import nn

LAYERS = 4
SKIP = "skip"

# In the published order, which decides which of several equal networks is listed.
NAS_BENCH_GRAPH_OPERATIONS = (
    "gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", SKIP,
)  # fmt: skip

# The inputs of layers 1 to 4: 0 is the raw input, i is layer i. Layers without a successor feed the
# output. These are the nine rooted trees of five vertices, each in one numbering.
LINKS = (
    "0-0-0-0", "0-0-0-1", "0-0-1-1", "0-0-1-2", "0-0-1-3", "0-1-1-1", "0-1-1-2", "0-1-2-2",
    "0-1-2-3",
)  # fmt: skip


class GnnDag(Space):
    """Four operations on one of nine trees: the space of NAS-Bench-Graph, 26,206 networks.

    The choices are ``"link"``, the tree, and ``"op1"`` to ``"op4"``. Of the 9 x 9^4 = 59,049
    combinations those are valid that the benchmark lists, one for each network:

    1. *Sorted.* Where renumbering the layers keeps the tree (leaves of one parent, the two arms of
       ``0-0-1-2``), the operations are the lexicographically smallest of their permutations, in the
       order of `operations`.
    2. *No redundant skip except in front.* A skip outputs its input, so it is redundant where it
       has a successor or is the only successor of its input. The network without it is listed
       with the skip in front of all layers, as layer 1 (a second one as layer 2, and so on). A skip
       without a successor, beside others, feeds its input to the output and stays. Where that
       input is the raw input, which never feeds the output, the skip is redundant too.
    3. *Not only skips.*

    The graph encoding has a vertex for each layer, between input and output; its edges depend on
    ``"link"`` alone.

    >>> space = GnnDag()
    >>> space.count
    26206
    >>> space.to_text(space.listed([0, 1, 2, 1], ["gcn", "gin", "fc", "cheb"]))
    '0-1-1-2|gcn|gin|cheb|fc'

    Args:
        operations: The same for each layer; by default the nine of the benchmark. ``"skip"`` is the
            identity.

    Raises:
        InvalidValueError: Operations that are empty, listed twice or no text, or only a skip.
    """

    def __init__(self, operations: Sequence[str] = NAS_BENCH_GRAPH_OPERATIONS) -> None:
        problems = operation_problems(operations, r"[^|\s]+", "| or spaces")
        if not problems and set(operations) == {SKIP}:
            problems.append(f"operations: got {[SKIP]!r}; give at least one other operation")
        refuse("GnnDag", problems)
        self.operations = tuple(operations)
        layers = {f"op{layer}": self.operations for layer in range(1, LAYERS + 1)}
        super().__init__({"link": LINKS, **layers})

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        found = np.zeros(len(indices), dtype=bool)
        for number, link in enumerate(LINKS):
            here = np.flatnonzero(indices[:, 0] == number)
            found[here] = self._listed_on(_tree(link), indices[here, 1:])
        return found

    def _listed_on(self, tree: _Tree, ops: Indices) -> NDArray[np.bool_]:
        """Which rows of operation numbers (B, 4) are listed with this tree; (B,)."""
        weights = len(self.operations) ** np.arange(LAYERS)[::-1]
        rank = ops @ weights  # lexicographic
        listed = np.ones(len(ops), dtype=bool)
        for renumbered in tree.symmetries:
            listed &= rank <= ops[:, renumbered] @ weights
        if SKIP not in self.operations:
            return listed
        skip = ops == self.operations.index(SKIP)
        for layer in range(LAYERS):
            raw = skip[:, [*tree.above[layer], layer]].all(1)  # it outputs the raw input
            redundant = skip[:, layer] & (tree.replaceable[layer] | raw)
            listed &= ~redundant | (tree.in_front[layer] & raw)
        listed &= ~skip.all(1)
        return listed

    def listed(self, links: Sequence[int], operations: Sequence[str]) -> Architecture:
        """The listed architecture that is the same network as the given one.

        Args:
            links: The input of each of the four layers, 0 or an earlier layer's number (the
                benchmark's ``Arch([0, 1, 2, 1], …)``).
            operations: Of the four layers.

        Raises:
            InvalidValueError: There is no such network, or it has only skips.
        """
        parents = list(links)
        if len(parents) != LAYERS or any(
            not isinstance(p, int | np.integer) or not 0 <= p <= i for i, p in enumerate(parents)
        ):
            raise invalid("GnnDag: links", parents, "give 4 numbers, each of an earlier layer or 0")
        if len(operations) != LAYERS or any(op not in self.operations for op in operations):
            remedy = f"give 4 of {', '.join(self.operations)}"
            raise invalid("GnnDag: operations", list(operations), remedy)
        ops = [self.operations.index(op) for op in operations]
        if SKIP in self.operations:
            parents, ops = _skips_in_front(parents, ops, self.operations.index(SKIP))
        written = (
            (link, [ops[layer] for layer in order])
            for order in itertools.permutations(range(LAYERS))
            if (link := _renumbered(parents, order)) in LINKS
        )
        link, chosen = min(written, key=lambda pair: (LINKS.index(pair[0]), pair[1]))
        names = {f"op{layer}": self.operations[op] for layer, op in enumerate(chosen, start=1)}
        return self.architecture({"link": link, **names})

    @cached_property
    def graph(self) -> GraphTemplate:
        n, f = LAYERS + 2, len(self.operations) + 2
        o_max = int(self.sizes.max())
        features = np.zeros((n, f), np.float32)
        features[0, 0] = features[-1, -1] = 1
        feature_terms = np.zeros((LAYERS + 1, o_max, n, f), np.float32)
        layer, op = np.indices((LAYERS, len(self.operations)))
        feature_terms[layer + 1, op, layer + 1, op + 1] = 1
        adjacency_terms = np.zeros((LAYERS + 1, o_max, n, n), np.float32)
        for number, link in enumerate(LINKS):
            tree = _tree(link)
            for child, parent in enumerate(tree.parents, start=1):
                adjacency_terms[0, number, parent, child] = 1
            for leaf in tree.leaves:
                adjacency_terms[0, number, leaf + 1, -1] = 1
        return GraphTemplate(np.zeros((n, n), np.float32), features, feature_terms, adjacency_terms)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """The tree with each layer, and with each two layers that are joined in some tree."""
        joined = {
            (parent, child)
            for link in LINKS
            for child, parent in enumerate(_tree(link).parents, start=1)
            if parent
        }
        single = tuple((0, layer) for layer in range(1, LAYERS + 1))
        return single + tuple((0, *pair) for pair in sorted(joined))

    def build(
        self,
        arch: Architecture,
        *,
        features: int = 1433,
        classes: int = 7,
        width: int = 256,
        before: bool = False,
        after: bool = True,
        dropout: float = 0.7,
    ) -> nn.Module:
        """The benchmark's network, by default as for Cora.

        It takes the features of a graph's vertices, (V, features), and its edges, (2, E): source
        and target of each, both directions of an undirected edge, no loops. It gives (V, classes).

        Args:
            arch: The layers, with operations of NAS-Bench-Graph.
            features: Number of features of a vertex.
            classes: Number of classes.
            width: Width of the layers; even where one is ``gat``, which has two heads.
            before: Whether a linear layer comes before the others.
            after: Whether a linear layer comes before the classifier.
            dropout: Share of features dropped in training.

        Raises:
            InvalidValueError: The space has other operations, or `width` is odd.
        """
        from optiproxy.spaces.networks.gnn import HEADS, OPERATIONS, GraphNetwork

        check_buildable(self.operations, OPERATIONS, "NAS-Bench-Graph")
        link, *operations = (str(option) for option in self.architecture(arch).values())
        if "gat" in operations and width % HEADS:
            raise invalid("build: width", width, f"gat has {HEADS} heads; give an even number")
        before, after = truth("build: before", before), truth("build: after", after)
        return GraphNetwork(
            _tree(link).parents, operations, features, classes, width, before, after, dropout
        )

    def to_text(self, arch: Architecture) -> str:
        """``0-1-1-2|gcn|gin|cheb|fc``: the tree, then the operations."""
        return "|".join(str(option) for option in arch.values())

    def parse_text(self, text: str) -> Mapping[str, Any]:
        if text.lstrip().startswith("{"):
            return super().parse_text(text)
        if text.rstrip().endswith(")"):  # Arch([0, 1, 2, 1], ['gcn', …])
            return super().parse_text(text)
        parts = text.strip().split("|")
        if len(parts) != len(self.names):
            raise ValueError(f"it has {len(parts)} parts; write link|op1|op2|op3|op4")
        return dict(zip(self.names, parts, strict=True))

    def parse_form(self, form: Any) -> Mapping[str, Any]:
        """Reads the published code's ``Arch`` too: an object with ``link`` and ``ops``, a mapping
        with both, or both in a list. An unlisted network is read as the listed one that equals it.
        """
        parts = form if isinstance(form, list) else []
        if isinstance(form, Mapping) and set(form) == {"link", "ops"}:
            parts = [form["link"], form["ops"]]
        elif hasattr(form, "link") and hasattr(form, "ops"):
            parts = [plain(form.link), plain(form.ops)]
        if len(parts) != 2:
            return super().parse_form(form)
        if not all(isinstance(part, list) for part in parts):
            raise ValueError("write two lists: links and operations")
        return self.listed(*parts)

    def picture(self, arch: Architecture) -> str:
        link, *ops = (str(option) for option in arch.values())
        parents = _tree(link).parents

        def below(vertex: int, indent: str) -> list[str]:
            children = [i for i, parent in enumerate(parents, start=1) if parent == vertex]
            lines = []
            for child in children:
                last = child == children[-1]
                end = "" if child in parents else " ──▶ output"
                lines.append(f"{indent}{'└' if last else '├'}── {ops[child - 1]}{end}")
                lines += below(child, indent + ("    " if last else "│   "))
            return lines

        return "\n".join([f"input ({link})", *below(0, "")])


@dataclass(frozen=True)
class _Tree:
    """A tree of links; layers are counted from 0 here, and a parent of 0 is the raw input.

    Attributes:
        parents: Of each layer, as published: 0, or 1 + the layer.
        symmetries: The renumberings of the layers that keep the tree.
        above: For each layer, the layers between it and the raw input.
        leaves: The layers without a successor.
        replaceable: For each layer, whether it has a successor or no sibling, so that a skip there
            changes nothing.
        in_front: For each layer, whether the layers before it form a chain from the raw input and
            those after it depend on that chain.
    """

    parents: tuple[int, ...]
    symmetries: tuple[list[int], ...]
    above: tuple[tuple[int, ...], ...]
    leaves: tuple[int, ...]
    replaceable: tuple[bool, ...]
    in_front: tuple[bool, ...]


@lru_cache(maxsize=len(LINKS))
def _tree(link: str) -> _Tree:
    parents = tuple(int(number) for number in link.split("-"))
    layers = range(LAYERS)
    above: list[tuple[int, ...]] = []
    for parent in parents:
        above.append((*above[parent - 1], parent - 1) if parent else ())
    return _Tree(
        parents,
        tuple(
            list(order)
            for order in itertools.permutations(layers)
            if _renumbered(parents, order) == link
        ),
        tuple(above),
        tuple(layer for layer in layers if layer + 1 not in parents),
        tuple(_replaceable(parents, layer) for layer in layers),
        tuple(
            parents[: layer + 1] == tuple(range(layer + 1))
            and all(parent > layer for parent in parents[layer + 1 :])
            for layer in layers
        ),
    )


def _replaceable(parents: Sequence[int], layer: int) -> bool:
    """Whether the layer has a successor, or is the only one of its parent."""
    return layer + 1 in parents or list(parents).count(parents[layer]) == 1


def _renumbered(parents: Sequence[int], order: Sequence[int]) -> str:
    """The links when layer ``order[i]`` becomes layer i; parents may come after their children."""
    place = {layer + 1: i + 1 for i, layer in enumerate(order)} | {0: 0}
    return "-".join(str(place[parents[layer]]) for layer in order)


def _skips_in_front(
    parents: Sequence[int], ops: Sequence[int], skip: int
) -> tuple[list[int], list[int]]:
    """Moves redundant skips of a tree in front of all other layers."""
    # Layers are numbered from 1 to 4; the successors of a removed one go to its parent.
    parent = dict(enumerate(parents, start=1))
    op = dict(enumerate(ops, start=1))

    def is_redundant(layer: int) -> bool:
        others = list(parent.values())
        alone = others.count(parent[layer]) == 1
        return op[layer] == skip and (parent[layer] == 0 or layer in others or alone)

    while redundant := list(filter(is_redundant, parent)):
        layer = redundant[0]
        above = parent.pop(layer)
        parent = {i: above if p == layer else p for i, p in parent.items()}
    taken = LAYERS - len(parent)
    number = {layer: place for place, layer in enumerate([0, *parent], start=taken)}
    return (
        [*range(taken), *(number[p] for p in parent.values())],
        [*[skip] * taken, *(op[i] for i in parent)],
    )
