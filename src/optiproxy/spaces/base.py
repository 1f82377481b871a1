"""What a search space is: an ordered set of named categorical choices, and a graph over them.

Vocabulary of dimensions, used in every docstring of the package:

==== =====================================================
B    architectures in a batch
C    choices of the space
O    options of the largest choice (shorter ones are padded); a number has two, its ends
N    vertices of the graph encoding
F    features of a vertex
G    groups of architecture parameters climbed side by side
K    members of an ensemble
M    metrics
==== =====================================================

Inside the package an architecture is a row of C option numbers, and a batch is an integer array
(B, C). Users see `Architecture` objects.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import OptiProxyError, invalid, unknown, whole_number
from optiproxy.spaces._forms import literal, plain
from optiproxy.spaces.architecture import Architecture, GraphTemplate, Indices, Option, option_index
from optiproxy.spaces.combinations import ENUMERABLE, Combinations
from optiproxy.spaces.numbers import Number

if TYPE_CHECKING:
    from torch import nn

    from optiproxy.spaces.drawing import Drawing

# Earlier names of methods, which subclasses may still define → today's.
_FORMER_NAMES = {"cuts": "zero_options", "complete": "fill_defaults"}


class Space(Combinations):
    """A search space. A subclass passes `choices` to `__init__` and defines `graph`.

    Args:
        choices: Name → options, in order. Options are different JSON scalars. A `Float` or an `Int`
            stands for the numbers of a range.

    Raises:
        InvalidValueError: No choice, an empty choice, an option twice or not a JSON scalar (all
            mistakes in one message), or a subclass that does not define `graph`.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for former, name in _FORMER_NAMES.items():
            defined = vars(cls).get(former)
            if isinstance(defined, cached_property):
                defined = cached_property(defined.func)
                defined.__set_name__(cls, name)
            if defined is not None and name not in vars(cls):
                setattr(cls, name, defined)

    def __init__(self, choices: Mapping[str, Sequence[Option]]) -> None:
        super().__init__(choices)
        if type(self).graph is Space.graph:
            remedy = "define it as a property that returns a GraphTemplate, or derive from Chain"
            raise invalid(f"{type(self).__name__}: graph", None, remedy)

    # ---- what a subclass defines, beside `valid` and `repair` ----

    @cached_property
    def graph(self) -> GraphTemplate:
        """The graph encoding's template, with fixed N and F. Every subclass defines it."""
        raise NotImplementedError

    def graph_with(self, kept: Sequence[Indices]) -> GraphTemplate:
        """The template with some options alone: `kept` columns of each choice, the first included.

        A space of thousands of options gives it without the whole template, which is as large as
        their square.
        """
        return self.graph.with_options(kept)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Paths from input to output, each a tuple of choice numbers: choices that interact."""
        return tuple((c,) for c in range(len(self.names)))

    @cached_property
    def zero_options(self) -> NDArray[np.bool_]:
        """(C, O), true for options that output zero, such as ``none`` on an edge of a cell.

        Such an option closes every path through its choice, and a choice on no open path is
        inactive: its option does not change what the network computes. By default no option
        outputs zero. Leave it so where `paths` omits some paths: choices on those alone would be
        taken for inactive.
        """
        return np.zeros_like(self.mask)

    def canonical(self, indices: Indices) -> Indices:
        """The representative of each valid row of (B, C), equal for rows that are one network.

        It is idempotent. By default every row is its own representative. A published table may
        list equivalent rows with different measurements, so a search uses this only on request
        (``distinct=True``).
        """
        return indices.copy()

    def fill_defaults(self, mapping: Mapping[str, Any]) -> Mapping[str, Any]:
        """Adds the choices that a mapping may leave out; by default none."""
        return mapping

    def _definition(self) -> Mapping[str, Any]:
        """Arguments that distinguish spaces with equal choices, as JSON; see `definition`."""
        return {}

    def to_text(self, arch: Architecture) -> str:
        """A one-line name, which `architecture` reads back."""
        return json.dumps(dict(arch), ensure_ascii=False)

    def default_option(self, name: str) -> Option:
        """What results have that are older than the choice: by default its first option."""
        return self.choices[name][0]

    def parse_text(self, text: str) -> Mapping[str, Any]:
        """The choices in a text of `to_text`, in JSON, or as Python prints them.

        Raises:
            ValueError: It is another text.
        """
        return self.parse_form(literal(text))

    def parse_form(self, form: Any) -> Mapping[str, Any]:
        """The choices in plain data: a mapping, choice → option.

        A subclass adds the forms in which its authors' code hands architectures over. Named tuples
        come as mappings, tuples and arrays as lists, and numpy's numbers as Python's.

        Raises:
            ValueError: It is of another form.
        """
        if not isinstance(form, Mapping):
            raise invalid("architecture", form, "give a mapping, choice → option, or its text")
        return form

    def picture(self, arch: Architecture) -> str:
        """The architecture drawn in text, a few lines."""
        width = max(len(name) for name in self.names)
        return "\n".join(f"{name:<{width}}  {option}" for name, option in arch.items())

    def drawings(self, arch: Architecture) -> tuple[Drawing, ...]:
        """The architecture as graphs to be drawn, without what is inactive; a cell each."""
        from optiproxy.spaces.drawing import template_drawing

        row = self.columns(self.to_indices([arch]))[0]
        graph = self.graph_with([np.unique([0, option]) for option in row])
        zero = self.zero_options[np.arange(len(row)), [row * 0, row]].T
        return (template_drawing(arch, (row > 0).astype(np.int64), graph, zero),)

    @property
    def can_build(self) -> bool:
        """Whether the space defines networks."""
        return type(self).build is not Space.build

    def build(self, arch: Architecture) -> nn.Module:
        """The network as a plain module, where the space defines one.

        Raises:
            OptiProxyError: The space defines no networks.
        """
        raise OptiProxyError(
            f"{type(self).__name__} defines no network; give the task a build function: "
            "Task(..., build=my_function)"
        )

    # ---- what every space does ----

    def __repr__(self) -> str:
        count = "infinitely many" if math.isinf(self.count) else f"{self.count:,}"
        return f"{type(self).__name__}({len(self.names)} choices, {count} architectures)"

    def enumerate(self) -> Iterator[Architecture]:
        """Yields every architecture, also in a space too large for an array.

        Raises:
            InvalidValueError: A choice is any number of a range.
        """
        for c, number in self.numbers.items():
            if math.isinf(number.cardinality):
                remedy = "any number of a range can't be listed; sample the space, or give a step"
                raise invalid(f"space: choice {self.names[c]!r}", number, remedy)
        if self.count <= ENUMERABLE:
            yield from self.from_indices(self.all_indices)
            return
        for row in itertools.product(*(range(size) for size in self.sizes)):
            indices = np.array([row], dtype=np.int64)
            if self._allowed(indices)[0]:
                yield from self.from_indices(indices)

    def sample(self, n: int, *, seed: int = 0) -> list[Architecture]:
        """`n` architectures drawn uniformly, with replacement.

        Raises:
            InvalidValueError: `n` or `seed` is no whole number of 0 or more.
        """
        n, seed = whole_number("sample: n", n, 0), whole_number("sample: seed", seed, 0)
        return self.from_indices(self.random_indices(n, np.random.default_rng(seed)))

    def neighbours(self, arch: Architecture) -> list[Architecture]:
        """Every architecture that differs from `arch` in a single choice."""
        return self.from_indices(self.neighbour_indices(self.to_indices([arch])))

    def architecture(self, value: Any) -> Architecture:
        """Reads an architecture from a mapping, from JSON text, from the space's own text form, or
        in a form that its authors' code hands over (`parse_form`).

        Raises:
            InvalidValueError: A choice is missing or unknown, an option does not exist, or the
                combination is not valid in this space.
        """
        return self.architectures([value])[0]

    def architectures(self, values: Iterable[Any]) -> list[Architecture]:
        """Reads many architectures as `architecture` does; `valid` is called once for all.

        Raises:
            InvalidValueError: One of them can't be read, as in `architecture`.
        """
        mappings = [self._mapping(value) for value in values]
        rows = np.array([self._row(mapping) for mapping in mappings], dtype=np.int64)
        rows = rows.reshape(-1, len(self.names))
        for index in np.flatnonzero(~self._allowed(rows))[:1]:
            raise invalid(
                "architecture", dict(mappings[index]), "the space does not allow this combination"
            )
        return self.from_indices(rows)

    def _mapping(self, value: Any) -> Mapping[str, Any]:
        """A mapping, choice → option, whose choices are all of this space; some may be missing."""
        if isinstance(value, Architecture) and value._names == self.names:
            return value
        try:
            if isinstance(value, str):
                mapping = self.parse_text(value)
            else:
                mapping = self.parse_form(plain(value))
        except OptiProxyError:
            raise
        except ValueError as error:
            raise invalid("architecture", value, f"it can't be read: {error}") from None
        for name in mapping:
            if name not in self.choices:
                raise unknown("architecture: choice", name, self.names)
        return mapping

    def _row(self, mapping: Mapping[str, Any]) -> list[int]:
        """Its option numbers, (C,)."""
        full = self.fill_defaults(mapping)
        row = []
        for name, options in self.choices.items():
            if name not in full:
                raise invalid("architecture", dict(mapping), f"choice {name!r} is missing")
            row.append(option_index(name, full[name], options))
        return row

    def to_indices(self, archs: Iterable[Mapping[str, Any]]) -> Indices:
        """Architectures as option numbers, (B, C); `valid` is not checked.

        Raises:
            InvalidValueError: One has no such choice or option.
        """
        lookup = self._lookup
        archs = list(archs)
        try:
            rows = [[find(arch[name]) for name, find in lookup] for arch in archs]
        except (KeyError, TypeError, ValueError):
            # Not architectures of this space: the careful way converts them, or says what is wrong.
            checked = self.architectures(archs)
            rows = [[find(arch[name]) for name, find in lookup] for arch in checked]
        return np.array(rows, dtype=np.int64).reshape(-1, len(self.names))

    def from_indices(self, indices: Indices) -> list[Architecture]:
        """Rows of option numbers (B, C) as architectures.

        Raises:
            InvalidValueError: `indices` has another shape, or numbers of options that do not exist.
        """
        rows = np.asarray(indices)
        whole = rows.dtype.kind in "iu" and rows.ndim == 2 and rows.shape[1] == len(self.sizes)
        if not whole or ((rows < 0) | (rows >= self.sizes)).any():
            most = (self.sizes - 1).tolist()
            remedy = f"give rows of {len(most)} option numbers from 0, at most {most}"
            raise invalid("indices", indices, remedy)
        options = list(self.choices.values())
        return [
            Architecture(
                self.names, tuple(o[i] for o, i in zip(options, row, strict=True)), self.to_text
            )
            for row in rows.tolist()
        ]

    def _kind(self) -> str:
        """The name of its kind in the fingerprint."""
        return type(self).__name__

    @property
    def definition(self) -> dict[str, Any]:
        """What distinguishes it from other spaces, as JSON: its kind, its choices, its rules."""
        parts = {"kind": self._kind(), "choices": dict(self.choices), **self._definition()}
        found: dict[str, Any] = json.loads(json.dumps(parts, default=Number.plain))
        return found

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of the definition, by which stored studies recognise their space."""
        definition = self._definition()
        parts = [self._kind(), dict(self.choices), *([definition] if definition else [])]
        text = json.dumps(parts, default=Number.plain)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
