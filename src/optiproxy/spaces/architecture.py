"""The values that a space exchanges with the other folders: architectures and graph templates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, unknown
from optiproxy.spaces.numbers import Number

Option = str | int | float | bool | None
Indices = NDArray[np.int64]


def is_number(option: Option) -> TypeGuard[int | float]:
    """Whether it is a number; a boolean is none."""
    return isinstance(option, int | float) and not isinstance(option, bool)


class Architecture(Mapping[str, Option]):
    """One valid assignment of every choice: a read-only, hashable mapping, choice → option.

    >>> from optiproxy.spaces import Chain
    >>> space = Chain({"depth": [1, 2], "width": [16, 32]})
    >>> arch = space.architecture({"depth": 1, "width": 32})
    >>> arch["width"], dict(arch)
    (32, {'depth': 1, 'width': 32})

    ``str(arch)`` is the text form of its space, which `Space.architecture` reads back.

    Args:
        names: Of the choices, in the space's order.
        options: One for each choice.
        text: The text form, or the function that makes it (`Space.to_text`); by default JSON.
    """

    __slots__ = ("_hash", "_names", "_options", "_text")

    def __init__(
        self,
        names: tuple[str, ...],
        options: tuple[Option, ...],
        text: str | Callable[[Architecture], str] | None = None,
    ) -> None:
        self._names = names
        self._options = options
        self._hash = hash(frozenset(zip(names, options, strict=True)))  # as equality: in any order
        self._text = text

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
        # Without the hash, which differs from process to process, and with the text in place of
        # the space that makes it: a worker does not need the space for each architecture.
        return Architecture, (self._names, self._options, str(self))

    def __str__(self) -> str:
        if callable(self._text):
            self._text = self._text(self)
        return self.to_json() if self._text is None else self._text

    def __repr__(self) -> str:
        return f"Architecture({', '.join(f'{k}={v!r}' for k, v in self.items())})"

    def to_json(self) -> str:
        """The architecture as JSON text; `Space.architecture` reads it back."""
        return json.dumps(dict(self))


@dataclass(frozen=True, eq=False)
class GraphTemplate:
    """A graph that is affine in the one-hots of the choices.

    ``A = adjacency + sum_co p[c, o] adjacency_terms[c, o]`` and likewise for the features, so that
    the discrete encoding and its relaxation are one expression.

    Attributes:
        adjacency: (N, N), the fixed edges; ``[i, j]`` is the edge i → j. The vertices are in
            topological order (upper triangular).
        adjacency_terms: (C, O, N, N), or None where no choice adds an edge.
        features: (N, F), one-hot rows of the fixed vertices (input, output).
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

    def with_options(self, kept: Sequence[Indices]) -> GraphTemplate:
        """The template with some options alone: `kept` numbers of each choice."""
        most = max(map(len, kept))

        def part(terms: NDArray[np.float32]) -> NDArray[np.float32]:
            out = np.zeros((len(kept), most, *terms.shape[2:]), np.float32)
            for choice, options in enumerate(kept):
                out[choice, : len(options)] = terms[choice, options]
            return out

        edges = None if self.adjacency_terms is None else part(self.adjacency_terms)
        return GraphTemplate(self.adjacency, self.features, part(self.feature_terms), edges)


def option_index(name: str, value: Any, options: tuple[Option, ...] | Number) -> int:
    """The number of an option of choice `name`.

    Raises:
        InvalidValueError: It has no such option.
    """
    if isinstance(options, Number):
        try:
            return options.index(value)
        except InvalidValueError as error:
            raise InvalidValueError(f"architecture: choice {name!r}: {error}") from None
    if isinstance(value, np.generic):
        value = value.item()
    for i, option in enumerate(options if isinstance(value, str | int | float | None) else ()):
        # 1 and True are equal to Python but not to a reader of JSON.
        if option == value and isinstance(option, bool) == isinstance(value, bool):
            return i
    raise unknown(f"architecture: option of choice {name!r}", value, options)
