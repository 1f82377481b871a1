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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, OptiProxyError, invalid, unknown, whole_number
from optiproxy.spaces._forms import literal, plain
from optiproxy.spaces._walk import Walk
from optiproxy.spaces.architecture import Architecture, GraphTemplate, Indices, Option, option_index
from optiproxy.spaces.numbers import Number

if TYPE_CHECKING:
    from torch import nn

    from optiproxy.spaces.drawing import Drawing

# Larger spaces are sampled and not listed.
ENUMERABLE = 1_000_000
# Where fewer combinations than this share of so many are valid, they are walked to and not drawn.
RARE, PROBED = 0.01, 4096

# Draws that may come back without enough valid rows before a walk is considered.
_PATIENT = 50

# Names that subclasses written for earlier versions may define → today's.
_FORMER_NAMES = {"cuts": "zero_options", "complete": "fill_defaults"}


class Space:
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
        problems = list(_problems(choices))
        if problems:
            raise InvalidValueError("search space: " + "; ".join(problems))
        if type(self).graph is Space.graph:
            remedy = "define it as a property that returns a GraphTemplate, or derive from Chain"
            raise invalid(f"{type(self).__name__}: graph", None, remedy)
        self.choices: Mapping[str, tuple[Option, ...] | Number] = MappingProxyType(
            {name: o if isinstance(o, Number) else tuple(o) for name, o in choices.items()}
        )
        self.names = tuple(self.choices)
        self.sizes: Indices = np.array([len(o) for o in self.choices.values()], dtype=np.int64)
        #: The choices that are numbers of a range, by their places.
        self.numbers: Mapping[int, Number] = {
            c: o for c, o in enumerate(self.choices.values()) if isinstance(o, Number)
        }

    # MappingProxyType has no pickle of its own, and caches need not travel to worker processes.
    def __getstate__(self) -> dict[str, Any]:
        cached = {k for k in dir(type(self)) if isinstance(getattr(type(self), k), cached_property)}
        state = {k: v for k, v in self.__dict__.items() if k not in cached}
        return {**state, "choices": dict(self.choices)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.choices = MappingProxyType(state["choices"])

    # ---- what a subclass defines ----

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

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        """Whether each row of (B, C) is an architecture of the space; (B,). By default all are."""
        return np.ones(len(indices), dtype=bool)

    def canonical(self, indices: Indices) -> Indices:
        """The representative of each valid row of (B, C), equal for rows that are one network.

        It is idempotent. By default every row is its own representative. A published table may
        list equivalent rows with different measurements, so a search uses this only on request
        (``distinct=True``).
        """
        return indices.copy()

    def repair(self, indices: Indices) -> Indices:
        """Valid rows near those of (B, C), which need not be valid; (B or fewer, C).

        By default it keeps the valid rows and, where few combinations are valid, replaces the
        others by valid ones that it can walk to. A space that knows better overrides it.
        """
        allowed = self._allowed(indices)
        if allowed.all() or self._walk is None:
            return indices[allowed]
        rows = indices.copy()
        rows[~allowed] = self._walk.nearest(rows[~allowed])
        return rows

    def fill_defaults(self, mapping: Mapping[str, Any]) -> Mapping[str, Any]:
        """Adds the choices that a mapping may leave out; by default none."""
        return mapping

    def _definition(self) -> Mapping[str, Any]:
        """Arguments that distinguish spaces with equal choices, as JSON, for the fingerprint."""
        return {}

    def to_text(self, arch: Architecture) -> str:
        """A one-line name, which `architecture` reads back."""
        return json.dumps(dict(arch), ensure_ascii=False)

    def default_option(self, name: str) -> Option:
        """What a choice was before it could be chosen, as earlier results lack it: the first."""
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

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        count = "infinitely many" if math.isinf(self.count) else f"{self.count:,}"
        return f"{type(self).__name__}({len(self.names)} choices, {count} architectures)"

    def _allowed(self, indices: Indices) -> NDArray[np.bool_]:
        """The answer of `valid`, checked: as an index, integers would select rows by number."""
        answer: Any = self.valid(indices)
        shape, kind = np.shape(answer), np.asarray(answer).dtype
        if shape != (len(indices),) or kind.kind != "b":
            raise invalid(
                "space: valid",
                f"{kind} {shape}",
                f"give one boolean for each row, ({len(indices)},)",
            )
        return np.asarray(answer)

    @cached_property
    def count(self) -> int | float:
        """The number of valid architectures; an upper bound in a large space with a `valid`, and
        infinite where a choice is any number of a range.
        """
        total = self._combinations
        if type(self).valid is Space.valid or total > ENUMERABLE:
            return total
        return len(self.all_indices)

    @cached_property
    def option_groups(self) -> Indices:
        """(C,), a number for each choice, equal for choices with the same options."""
        found: dict[Any, int] = {}
        # By type too: True equals 1 and is another option.
        keys = [
            options if isinstance(options, Number) else tuple((type(o), o) for o in options)
            for options in self.choices.values()
        ]
        return np.array([found.setdefault(key, len(found)) for key in keys], dtype=np.int64)

    @cached_property
    def levels(self) -> NDArray[np.float64]:
        """(C, O), the rank of each option in its choice's order, from 0 to 1; NaN without order.

        A choice is ordered where its options are three numbers or more: widths, depths, kernel
        sizes. Levels are ranks, so that 16, 32, 64 are as evenly spaced as 1, 2, 3; None beside
        numbers is halfway. A `Float` or an `Int` has the levels of its two ends. A subclass
        overrides this where numbers stand for operations, or where names have an order.
        """
        # Two numbers are a category: given their order, models of few networks fit worse.
        levels = np.full(self.mask.shape, np.nan)
        for row, options in zip(levels, self.choices.values(), strict=True):
            if isinstance(options, Number):
                row[: options.width] = [0.5, 0.0, 1.0][1 - options.first :]
                continue
            numbers = sorted(o for o in options if is_number(o))
            if len(numbers) > 2 and all(o is None or is_number(o) for o in options):
                place: dict[Option, float] = {o: i for i, o in enumerate(numbers)}
                place[None] = (len(numbers) - 1) / 2
                row[: len(options)] = [place[o] / (len(numbers) - 1) for o in options]
        return levels

    @cached_property
    def widths(self) -> Indices:
        """(C,), the columns of each choice in a relaxed architecture: one for each option; two for
        a number, which is a point between the ends of its range, and one more where it may be None.
        """
        widths = self.sizes.copy()
        for c, number in self.numbers.items():
            widths[c] = number.width
        return widths

    def columns(self, indices: Indices) -> Indices:
        """The column of each option in rows (B, C); of a number that of its lower end."""
        return np.minimum(indices, self._last_columns)

    @cached_property
    def _last_columns(self) -> Indices:
        last = self.sizes - 1
        for c, number in self.numbers.items():
            last[c] = number.first
        return last

    def check_lists(self, field: str) -> None:
        """Raises InvalidValueError if a choice is a number of a range, where rows are listed."""
        for c, number in self.numbers.items():
            remedy = "rows can be listed only of choices with a list of options"
            raise invalid(f"{field}: choice {self.names[c]!r}", number, remedy)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """(C, O), true where the option exists, or the column of a number."""
        return np.arange(self.widths.max())[None, :] < self.widths[:, None]

    @cached_property
    def all_indices(self) -> Indices:
        """Every valid architecture, (count, C), in lexicographic order.

        Raises:
            InvalidValueError: The space is too large to be listed.
        """
        if self._combinations > ENUMERABLE:
            raise self._too_large()
        grid = self._grid()
        return np.ascontiguousarray(grid[self._allowed(grid)])

    def _too_large(self) -> InvalidValueError:
        remedy = f"it has over {ENUMERABLE:,} architectures; sample it instead"
        return invalid("space", repr(self), remedy)

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

    def random_indices(self, n: int, rng: np.random.Generator) -> Indices:
        """`n` valid rows drawn uniformly, numbers on their scale, with replacement; (n, C).

        Raises:
            InvalidValueError: Nearly nothing in the space is valid.
        """
        found: list[Indices] = []
        for turn in range(1000):
            if sum(map(len, found)) >= n:
                break
            if turn == _PATIENT and self._walk is not None:
                return self._walk.sample(n, rng)
            draw = self._draw(max(n, 16), rng)
            found.append(draw[self._allowed(draw)])
        rows = np.concatenate(found) if found else np.empty((0, len(self.sizes)), np.int64)
        if len(rows) < n and self._combinations <= ENUMERABLE:
            # Valid rows are too rare to be drawn, and the space is small enough to be listed.
            listed = self.all_indices
            rows = listed[rng.integers(0, len(listed), size=n)] if len(listed) else rows
        if len(rows) < n:
            remedy = (
                "too few architectures are valid; check `valid`, or state what is allowed as "
                'rules: Chain(..., where=["width2 <= width1"])'
            )
            raise invalid("space", repr(self), remedy)
        return rows[:n]

    # ---- few valid combinations among many ----

    @property
    def _combinations(self) -> int | float:
        """Of how many rows `valid` is asked when all are listed."""
        sizes: list[int | float] = self.sizes.tolist()
        for c, number in self.numbers.items():
            sizes[c] = number.first + number.cardinality
        return math.prod(sizes)

    def _grid(self) -> Indices:
        """These rows, in lexicographic order."""
        return np.indices(tuple(self.sizes.tolist()), dtype=np.int64).reshape(len(self.sizes), -1).T

    def _draw(self, n: int, rng: np.random.Generator) -> Indices:
        """`n` of these rows, drawn uniformly, (n, C)."""
        rows = rng.integers(0, self.sizes, size=(n, len(self.sizes)))
        for c, number in self.numbers.items():
            rows[:, c] = number.nearest(rng.random(n))
        return rows

    @cached_property
    def _walk(self) -> Walk | None:
        """The way to valid rows where hardly any combination is valid and all are too many."""
        if self._combinations <= ENUMERABLE:
            return None
        probes = self._draw(PROBED, np.random.default_rng(0))
        allowed = self._allowed(probes)
        if allowed.mean() >= RARE:
            return None
        starts = np.concatenate([probes[allowed], self._likely_rows()])
        starts = starts[self._allowed(starts)]
        return Walk(self.sizes, self._allowed, starts) if len(starts) else None

    def _likely_rows(self) -> Indices:
        """Rows of which some are valid under most rules: the same option everywhere; options from
        a part of each list, as a budget asks for; and those in ascending or descending order.
        """
        same = np.arange(self.widths.max())[:, None].clip(max=self.sizes - 1)
        rng = np.random.default_rng(1)
        low, high = np.sort(rng.random((2, PROBED, 1)), axis=0)
        places = np.sort(low + (high - low) * rng.random((PROBED, len(self.sizes))), axis=1)
        places = np.concatenate([rng.permuted(places, axis=1), places, places[:, ::-1]])
        parts = (places * self.sizes).astype(np.int64)
        return np.concatenate([same, parts.clip(max=self.sizes - 1)])

    def sample(self, n: int, *, seed: int = 0) -> list[Architecture]:
        """`n` architectures drawn uniformly, with replacement.

        Raises:
            InvalidValueError: `n` or `seed` is no whole number of 0 or more.
        """
        n, seed = whole_number("sample: n", n, 0), whole_number("sample: seed", seed, 0)
        return self.from_indices(self.random_indices(n, np.random.default_rng(seed)))

    def neighbour_indices(self, rows: Indices) -> Indices:
        """Every valid row that differs from one of `rows` (B, C) in a single choice; of a number
        those at a few distances, from a quarter of its range down to a thousandth.
        """
        changed, _ = self._single_changes(rows)
        return changed[self._allowed(changed)]

    def _single_changes(self, rows: Indices) -> tuple[Indices, Indices]:
        """All rows that differ from one of `rows` in a single choice, (D, C), and that choice."""
        others = self.sizes - 1
        others[list(self.numbers)] = 0
        choice = np.repeat(np.arange(len(self.sizes)), others)  # (D,)
        shift = np.concatenate([np.arange(1, other + 1) for other in others])  # (D,)
        out = np.repeat(rows[:, None, :], len(choice), axis=1)  # (B, D, C)
        d = np.arange(len(choice))
        out[:, d, choice] = (out[:, d, choice] + shift) % self.sizes[choice]
        changed, which = [out.reshape(-1, len(self.sizes))], [np.tile(choice, len(rows))]
        for c in self.numbers:
            changed.append(self._moved(rows, c))
            which.append(np.full(len(changed[-1]), c))
        return np.concatenate(changed), np.concatenate(which)

    def _moved(self, rows: Indices, choice: int) -> Indices:
        """The rows (B, C) with another value of a number near the one they have."""
        near = np.sort(self.numbers[choice].neighbours(rows[:, choice]), axis=1)  # (B, K)
        new = near != rows[:, choice, None]
        new[:, 1:] &= near[:, 1:] != near[:, :-1]
        row, place = np.nonzero(new)
        moved = rows[row]
        moved[:, choice] = near[row, place]
        return moved

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

    @cached_property
    def _lookup(self) -> list[tuple[str, Callable[[Any], int]]]:
        """For each choice the function from an option to its number."""
        return [
            (
                name,
                options.index
                if isinstance(options, Number)
                else {o: i for i, o in enumerate(options)}.__getitem__,
            )
            for name, options in self.choices.items()
        ]

    def _kind(self) -> str:
        """The name of its kind in the fingerprint."""
        return type(self).__name__

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of the definition, by which stored studies recognise their space."""
        definition = self._definition()
        parts = [self._kind(), dict(self.choices), *([definition] if definition else [])]
        text = json.dumps(parts, default=Number.plain)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_number(option: Option) -> TypeGuard[int | float]:
    return isinstance(option, int | float) and not isinstance(option, bool)


def _problems(choices: Mapping[str, Sequence[Option]]) -> Iterator[str]:
    if not isinstance(choices, Mapping) or not choices:
        yield f"got {choices!r}; give a mapping with at least one choice, name → list of options"
        return
    for name, options in choices.items():
        if not isinstance(name, str) or not name:
            yield f"choice {name!r}: a name must be a non-empty text"
        elif isinstance(options, Number):
            continue
        elif isinstance(options, str) or not isinstance(options, Sequence):
            yield f"choice {name!r}: got {options!r}; give a list of options"
        elif not options:
            yield f"choice {name!r}: has no options; give at least one"
        else:
            bad = [o for o in options if not isinstance(o, str | int | float | bool | None)]
            if bad or any(isinstance(o, float) and not math.isfinite(o) for o in options):
                wrong = bad or [o for o in options if isinstance(o, float) and not math.isfinite(o)]
                remedy = "write text and build what it stands for in the evaluator"
                if any(hasattr(option, "tolist") for option in bad):
                    remedy = "convert numpy values by .tolist()"
                elif isinstance(wrong[0], list | tuple):
                    written = "x".join(map(str, wrong[0]))
                    remedy = f"write a pair as text, {written!r}, and split it in the evaluator"
                yield (
                    f"choice {name!r}: got the option {wrong[0]!r}; options must be text, finite "
                    f"numbers, booleans or None: {remedy}"
                )
            elif len(set(options)) < len(options):
                yield f"choice {name!r}: an option is listed twice in {list(options)!r}"
