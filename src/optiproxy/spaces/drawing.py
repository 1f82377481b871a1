"""An architecture as a graph that can be drawn: operations, and what flows between them.

What is inactive is left out: operations that output zero, and what lies on no path from an input to
an output.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from optiproxy.spaces.architecture import Architecture, GraphTemplate, Indices

Kind = Literal["input", "output", "operation", "sum"]


@dataclass(frozen=True)
class Vertex:
    """A part of a drawing.

    Attributes:
        kind: What it is; a ``"sum"`` joins what flows into it.
        lines: Its text, a line each: the name of a choice and its option, or a name alone.
    """

    kind: Kind
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drawing:
    """A graph without cycles.

    Attributes:
        vertices: In any order.
        edges: Pairs of vertex numbers, source and target.
        title: Which part of the architecture it is; empty where it is all of it.
    """

    vertices: tuple[Vertex, ...]
    edges: tuple[tuple[int, int], ...]
    title: str = ""

    def plain(self) -> dict[str, Any]:
        """The drawing as JSON values."""
        return {**asdict(self), "edges": [list(edge) for edge in self.edges]}


def drawing(
    vertices: Sequence[Vertex], edges: Iterable[tuple[int, int]], title: str = ""
) -> Drawing:
    """A drawing of the vertices that lie on a path from an input to an output.

    A sum of one term is no sum: its term takes its place.
    """
    after: dict[int, list[int]] = {v: [] for v in range(len(vertices))}
    before: dict[int, list[int]] = {v: [] for v in range(len(vertices))}

    def join(source: int, target: int) -> None:
        if target not in after[source]:
            after[source].append(target)
            before[target].append(source)

    for edge in edges:
        join(*edge)
    ends = {
        kind: [v for v, x in enumerate(vertices) if x.kind == kind] for kind in ("input", "output")
    }
    active = _reached(ends["input"], after) & _reached(ends["output"], before)
    for v in sorted(active):
        sources = [u for u in before[v] if u in active]
        if vertices[v].kind == "sum" and len(sources) == 1:
            active.discard(v)
            for target in after[v]:
                join(sources[0], target)
    active |= {*ends["input"][:1], *ends["output"][:1]}  # also where nothing joins them
    number = {v: i for i, v in enumerate(sorted(active))}
    kept = tuple((number[u], number[v]) for u in number for v in after[u] if v in number)
    return Drawing(tuple(vertices[v] for v in number), kept, title)


def _reached(starts: Iterable[int], steps: Mapping[int, Sequence[int]]) -> set[int]:
    found, waiting = set(), list(starts)
    while waiting:
        if (v := waiting.pop()) not in found:
            found.add(v)
            waiting += steps[v]
    return found


def template_drawing(
    arch: Architecture, row: Indices, graph: GraphTemplate, zero_options: NDArray[np.bool_]
) -> Drawing:
    """The drawing of a graph encoding: a vertex for each that has an operation.

    Successive choices of one stage (``stage1.width``, ``stage1.kernel``) share a vertex where
    nothing else is joined to them.

    Args:
        arch: What is drawn.
        row: Its option numbers, (C,).
        graph: Of the space.
        zero_options: Of the space, (C, O).
    """
    names = list(arch)
    chosen = np.arange(len(row)), row
    adjacency: NDArray[np.bool_] = graph.adjacency > 0
    if graph.adjacency_terms is not None:
        adjacency = adjacency | (graph.adjacency_terms[chosen] > 0).any(0)
    marks = np.asarray(graph.feature_terms[chosen].any(-1))  # (C, N), the vertices of each choice
    fixed = np.asarray(graph.features.any(1))
    zero = (marks & zero_options[chosen][:, None]).any(0)
    adjacency[zero], adjacency[:, zero] = False, False
    for v in np.flatnonzero(~fixed & ~marks.any(0)).tolist():  # inactive: what flows in flows on
        adjacency |= np.outer(adjacency[:, v], adjacency[v])
        adjacency[v], adjacency[:, v] = False, False
    vertices = []
    for v in range(len(fixed)):
        lines = [(names[c], _text(arch[names[c]])) for c in np.flatnonzero(marks[:, v])]
        ends: Kind = "output" if adjacency[:, v].any() else "input"
        if lines:
            vertices.append(Vertex("operation", tuple(t for pair in lines for t in pair)))
        elif adjacency[:, v].any() and adjacency[v].any():
            vertices.append(Vertex("sum"))
        else:
            vertices.append(Vertex(ends, (ends,)))
    return _by_stage(drawing(vertices, [(u, v) for u, v in np.argwhere(adjacency).tolist()]))


def _text(option: object) -> str:
    return "none" if option is None else str(option)


def _stage(vertex: Vertex) -> str:
    """The stage in a choice's name: ``blocks.0`` of ``blocks.0.width``; empty where it has none."""
    name = vertex.lines[0] if vertex.kind == "operation" else ""
    found = re.fullmatch(r"(.+\d)_[^._/]+|(.+)[./][^./]+", name)
    return (found[1] or found[2]) if found else ""


def _by_stage(whole: Drawing) -> Drawing:
    """Joins neighbours of one stage into one vertex."""
    after: dict[int, list[int]] = {v: [] for v in range(len(whole.vertices))}
    before: dict[int, list[int]] = {v: [] for v in range(len(whole.vertices))}
    for source, target in whole.edges:
        after[source].append(target)
        before[target].append(source)
    first: dict[int, int] = {}
    lines: dict[int, list[str]] = {}
    for v in range(len(whole.vertices)):  # in topological order, as the encoding's vertices are
        vertex, stage = whole.vertices[v], _stage(whole.vertices[v])
        u = before[v][0] if len(before[v]) == 1 else None
        if stage and u is not None and after[u] == [v] and _stage(whole.vertices[u]) == stage:
            first[v] = first[u]
            lines[first[u]] += vertex.lines
        else:
            first[v] = v
            lines[v] = list(vertex.lines)
    number = {v: i for i, v in enumerate(lines)}
    edges = dict.fromkeys(
        (number[first[u]], number[first[v]]) for u, v in whole.edges if first[u] != first[v]
    )
    vertices = tuple(Vertex(whole.vertices[v].kind, tuple(text)) for v, text in lines.items())
    return Drawing(vertices, tuple(edges), whole.title)
