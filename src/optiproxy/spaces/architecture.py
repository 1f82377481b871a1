"""What passes between a space and everybody else: an architecture, its options, its graph."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import unknown

Option = str | int | float | bool | None
Indices = NDArray[np.int64]


class Architecture(Mapping[str, Option]):
    """One valid assignment of every choice: a read-only, hashable mapping, choice → option.

    >>> from optiproxy.spaces import Chain
    >>> space = Chain({"depth": [1, 2], "width": [16, 32]})
    >>> arch = space.architecture({"depth": 1, "width": 32})
    >>> arch["width"], dict(arch)
    (32, {'depth': 1, 'width': 32})
    """

    __slots__ = ("_hash", "_names", "_options")

    def __init__(self, names: tuple[str, ...], options: tuple[Option, ...]) -> None:
        self._names = names
        self._options = options
        self._hash = hash(frozenset(zip(names, options, strict=True)))  # as equality: in any order

    def __getitem__(self, name: str) -> Option:
        try:
            return self._options[self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        # The hash of a string differs from process to process, so it is never carried over.
        return Architecture, (self._names, self._options)

    def __repr__(self) -> str:
        return f"Architecture({', '.join(f'{k}={v!r}' for k, v in self.items())})"

    def to_json(self) -> str:
        """The architecture as JSON text; `Space.architecture` reads it back."""
        return json.dumps(dict(self))


@dataclass(frozen=True, eq=False)
class GraphTemplate:
    """How the choices make a graph: both encodings are affine in the choices' one-hots.

    ``A = adjacency + sum_co p[c, o] adjacency_terms[c, o]`` and likewise for the features, so that
    the discrete encoding and its relaxation are the same expression.

    Attributes:
        adjacency: (N, N), the edges that are always there; ``[i, j]`` is the edge i → j, and the
            vertices are in topological order (upper triangular).
        adjacency_terms: (C, O, N, N), or None where no choice touches an edge.
        features: (N, F), one-hot rows of the vertices that never change (input, output).
        feature_terms: (C, O, N, F).
    """

    adjacency: NDArray[np.float32]
    features: NDArray[np.float32]
    feature_terms: NDArray[np.float32]
    adjacency_terms: NDArray[np.float32] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(N, F)."""
        return self.features.shape


def option_index(name: str, value: Any, options: tuple[Option, ...]) -> int:
    """The number of an option of choice `name`.

    Raises:
        InvalidValueError: It has no such option.
    """
    if isinstance(value, np.generic):
        value = value.item()
    for i, option in enumerate(options if isinstance(value, str | int | float | None) else ()):
        # 1 and True are equal to Python but not to a reader of JSON.
        if option == value and isinstance(option, bool) == isinstance(value, bool):
            return i
    raise unknown(f"architecture: option of choice {name!r}", value, options)
