"""Checks a space's definition before anything is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError
from optiproxy.spaces.architecture import Indices
from optiproxy.spaces.base import Space
from optiproxy.spaces.narrowed import Narrowed, is_wide

SAMPLES = 64


def check(space: Space) -> None:
    """Finds the mistakes in a space's definition and reports all of them together.

    It checks the graph template (shapes, order of the vertices, whether the last vertex can be
    reached), the paths, `zero_options` and `levels`, and on a sample `valid`, `random_indices`,
    `neighbour_indices`, `canonical`, `repair` and the text form.

    >>> from optiproxy.spaces import Chain
    >>> class Twisted(Chain):
    ...     def canonical(self, indices):
    ...         return indices[:, ::-1]
    >>> check(Twisted({"depth": [1, 2], "width": [16, 32]}))
    Traceback (most recent call last):
        ...
    optiproxy.errors.InvalidValueError: Twisted: canonical: applying it twice gives other rows

    Args:
        space: Any space.

    Raises:
        InvalidValueError: There are mistakes; the message lists all of them.
    """
    problems = [f"{part.__name__[1:]}: {found}" for part in _PARTS for found in _found(part, space)]
    if problems:
        raise InvalidValueError(f"{type(space).__name__}: {'; '.join(problems)}")


def _found(part: Callable[[Space], Iterator[str]], space: Space) -> list[str]:
    """The problems that one part finds; an error raised by the space is one of them."""
    found: list[str] = []
    try:
        found.extend(part(space))
    except Exception as error:
        found.append(f"it raises {type(error).__name__}: {error}")
    return found


def _graph(space: Space) -> Iterator[str]:
    if is_wide(space):  # a few of the options: the template is as large as their square
        space = Narrowed(space, _sample(space))
    graph = space.graph
    c, o = space.mask.shape
    n, f = np.shape(graph.features)
    shapes = {"adjacency": (n, n), "feature_terms": (c, o, n, f)}
    if graph.adjacency_terms is not None:
        shapes["adjacency_terms"] = (c, o, n, n)
    wrong = False
    for name, shape in shapes.items():
        if np.shape(getattr(graph, name)) != shape:
            wrong = True
            yield f"{name} has shape {np.shape(getattr(graph, name))}; it must be {shape}"
    if wrong:
        return
    for name in ("features", *shapes):
        if not np.isfinite(getattr(graph, name)).all():
            yield f"{name} has entries that are not finite"
        if name.endswith("_terms") and np.any(getattr(graph, name)[~space.mask]):
            yield f"{name} has entries for options that do not exist"
    edges: NDArray[np.bool_] = graph.adjacency != 0
    if graph.adjacency_terms is not None:
        edges = edges | (graph.adjacency_terms != 0).any((0, 1))
    back = np.argwhere(np.tril(edges))
    if len(back):
        i, j = back[0].tolist()
        yield f"the edge {i} → {j} leads backwards: a cycle, or vertices out of order"
    reached = np.zeros(n, dtype=bool)
    reached[0] = True
    for v in range(1, n):
        reached[v] = (reached[:v] & edges[:v, v]).any()
    if not reached[-1]:
        yield f"the last vertex, {n - 1}, can't be reached from the first, whatever is chosen"


def _paths(space: Space) -> Iterator[str]:
    for path in space.paths:
        if not path or len(set(path)) < len(path) or not set(path) <= set(range(len(space))):
            yield f"{path!r} must be different choice numbers from 0 to {len(space) - 1}"
            return


def _zero_options(space: Space) -> Iterator[str]:
    zero: Any = space.zero_options
    if np.shape(zero) != space.mask.shape or np.asarray(zero).dtype != bool:
        yield f"it must be booleans, {space.mask.shape}; it has shape {np.shape(zero)}"
    elif np.any(zero & ~space.mask):
        yield "it marks options that do not exist"


def _levels(space: Space) -> Iterator[str]:
    levels = np.asarray(space.levels)
    if levels.shape != space.mask.shape or levels.dtype.kind != "f":
        yield f"it must be floats, {space.mask.shape}; it has shape {levels.shape}"
        return
    known = ~np.isnan(levels)
    if np.any(known != (space.mask & known.any(1, keepdims=True))):
        yield "either all options of a choice have a level or all are NaN"
    elif np.any((levels[known] < 0) | (levels[known] > 1)):
        yield "a level must be from 0 to 1"


def _sample(space: Space) -> Indices:
    return space.random_indices(SAMPLES, np.random.default_rng(0))


def _valid(space: Space) -> Iterator[str]:
    raw = np.random.default_rng(0).integers(0, space.sizes, size=(SAMPLES, len(space)))
    answer: Any = space.valid(raw)
    shape, kind = np.shape(answer), np.asarray(answer).dtype
    if shape != (SAMPLES,) or kind.kind != "b":
        yield f"it must give one boolean for each row, ({SAMPLES},); it gave {kind} {shape}"


def _random_indices(space: Space) -> Iterator[str]:
    yield from _rows(space, _sample(space), SAMPLES)


def _neighbour_indices(space: Space) -> Iterator[str]:
    yield from _rows(space, space.neighbour_indices(_sample(space)[:4]), None)


def _repair(space: Space) -> Iterator[str]:
    raw = np.random.default_rng(0).integers(0, space.sizes, size=(SAMPLES, len(space)))
    yield from _rows(space, space.repair(raw), None)


def _canonical(space: Space) -> Iterator[str]:
    rows = _sample(space)
    before = rows.copy()
    once = space.canonical(rows)
    if (rows != before).any():
        yield "it changes its argument; copy the rows first"
    problems = list(_rows(space, once, SAMPLES))
    yield from problems
    if not problems and (space.canonical(once) != once).any():
        yield "applying it twice gives other rows"


def _rows(space: Space, rows: Any, n: int | None) -> Iterator[str]:
    if np.ndim(rows) != 2 or np.shape(rows)[1] != len(space) or n not in (None, len(rows)):
        yield f"it gave shape {np.shape(rows)}; it must be ({n or 'B'}, {len(space)})"
    elif not np.issubdtype(rows.dtype, np.integer) or ((rows < 0) | (rows >= space.sizes)).any():
        yield "it gave rows with numbers of options that do not exist"
    elif not np.all(space.valid(rows)):
        yield "it gave rows that are not valid"


def _to_text(space: Space) -> Iterator[str]:
    for arch in space.from_indices(_sample(space)[:4]):
        text = space.to_text(arch)
        if "\n" in text:
            yield "the text must be one line"
        if space.architecture(text) != arch:
            yield f"{text!r} is not read back as the same architecture"
            return


_PARTS = (
    _graph, _paths, _zero_options, _levels, _valid, _random_indices, _neighbour_indices, _repair,
    _canonical, _to_text,
)  # fmt: skip
