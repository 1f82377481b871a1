"""The choices of a search space and their options as numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from optiproxy._computed_once import ComputedOnce
from optiproxy.errors import InvalidValueError, invalid
from optiproxy.spaces.architecture import Indices, Option, is_number
from optiproxy.spaces.numbers import Number

#: An ordered list of so many options is a range in steps. Lists of 16 widths need not be: as a
#: range, models of few networks fit worse (docs/log.md).
STEPS = 20


class Choices(ComputedOnce):
    """Ordered, named choices, without what may be combined or what it means.

    Args:
        choices: As of `Space`.

    Raises:
        InvalidValueError: See `Space`.
    """

    def __init__(self, choices: Mapping[str, Sequence[Option]]) -> None:
        problems = list(_problems(choices))
        if problems:
            raise InvalidValueError("search space: " + "; ".join(problems))
        self.choices: Mapping[str, tuple[Option, ...] | Number] = MappingProxyType(
            {name: o if isinstance(o, Number) else tuple(o) for name, o in choices.items()}
        )
        self.names = tuple(self.choices)
        self.sizes: Indices = np.array([len(o) for o in self.choices.values()], dtype=np.int64)
        #: The choices that are numbers of a range, by their places.
        self.numbers: Mapping[int, Number] = {
            c: o for c, o in enumerate(self.choices.values()) if isinstance(o, Number)
        }

    # MappingProxyType has no pickle of its own.
    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "choices": dict(self.choices)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.choices = MappingProxyType(state["choices"])

    def __len__(self) -> int:
        return len(self.names)

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
    def smooth(self) -> bool:
        """Whether a metric is likely to be a smooth function of one of the choices.

        Of a number of a range, or of an ordered list of `STEPS` options or more.
        """
        return bool(self.numbers) or self.steps >= STEPS

    @cached_property
    def steps(self) -> int:
        """The length of the longest ordered list; 0 where there is none."""
        return int((~np.isnan(self.levels)).sum(1).max(initial=0))

    @cached_property
    def smoothed(self) -> Self:
        """The same choices, of which a metric is taken for a smooth function."""
        other = copy(self)
        other.__dict__["smooth"] = True
        return other

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
