"""Optuna's parameters as the choices of a space, with the conditions that trials show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from optiproxy.errors import InvalidValueError
from optiproxy.spaces import Chain, Conditional, Space
from optiproxy.spaces.architecture import is_number
from optiproxy.spaces.numbers import Number
from optiproxy.study._storage.distributions import number_of

# Numbers of at most so many evenly spaced values are searched as a list of options.
MOST_VALUES = 128

#: How a parameter is searched: by its values, or as a number.
Choice: TypeAlias = BaseDistribution | Number
Choices: TypeAlias = Mapping[str, Choice]


def choice_of(distribution: BaseDistribution) -> Choice | None:
    """How a parameter is searched; None where no float resolves its range."""
    if isinstance(distribution, IntDistribution | FloatDistribution):
        span, step = distribution.high - distribution.low, distribution.step
        if step is None or distribution.log or span >= MOST_VALUES * step:
            return _number(distribution)
    return distribution


def _number(distribution: IntDistribution | FloatDistribution) -> Number | None:
    try:
        return number_of(distribution)
    except InvalidValueError:
        return None


def values_of(choice: Choice) -> Sequence[Any]:
    """The values of a parameter."""
    if isinstance(choice, Number):
        return choice
    if isinstance(choice, CategoricalDistribution):
        return choice.choices
    assert isinstance(choice, IntDistribution | FloatDistribution)
    low, step = choice.low, choice.step or 1
    return [low + i * step for i in range(round((choice.high - low) / step) + 1)]


def index_of(choice: Choice, value: Any) -> int:
    """The index of a value in `values_of`; ValueError if it is not there."""
    if isinstance(choice, Number):
        return choice.index(value)
    internal = choice.to_internal_repr(value)
    if isinstance(choice, IntDistribution | FloatDistribution):
        if not choice._contains(internal):
            raise ValueError(value)
        return round((internal - choice.low) / (choice.step or 1))
    return int(internal)


def has_value(distribution: BaseDistribution, option: Any) -> bool:
    """Whether a proposed option is a value of a parameter."""
    if isinstance(distribution, CategoricalDistribution):
        return option in distribution.choices
    return is_number(option) and distribution._contains(distribution.to_internal_repr(option))


def found_space(
    wanted: Mapping[str, BaseDistribution], trials: Iterable[FrozenTrial]
) -> tuple[Space, Choices]:
    """The space of parameters that all trials have, and of those that hang on them.

    Args:
        wanted: The parameters of all completed trials.
        trials: Of the study.

    Returns:
        The space, and how each of its choices is searched.
    """
    found: dict[str, Choice] = {name: choice_of(d) or d for name, d in wanted.items()}
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    when: dict[str, tuple[str, list[Any]]] = {}
    left = _sometimes(complete, found)
    while left:
        parents = {name: _parent(name, found, complete) for name in left}
        known = {name: parent for name, parent in parents.items() if parent is not None}
        if not known:
            break
        when |= known
        found |= {name: left.pop(name) for name in known}  # which may be parents of others
    options = {name: values_of(c) for name, c in found.items() if not isinstance(c, Number)}
    kinds = [[(type(value), value) for value in values] for values in options.values()]
    # Numbers as they are, for their order. Optuna's other options may be any objects: each gets a
    # text, and the same options the same text.
    choices: dict[str, Sequence[Any]] = {
        name: values
        if _are_numbers(values[name in when :])
        else [f"{kinds.index(kind)}.{i}" for i in range(len(values))]
        for (name, values), kind in zip(options.items(), kinds, strict=True)
    }
    choices = {name: c if isinstance(c, Number) else choices[name] for name, c in found.items()}
    if not when:
        return Chain(choices), found
    conditions = {
        name: {parent: [choices[parent][index_of(found[parent], value)] for value in values]}
        for name, (parent, values) in when.items()
    }
    bare = {
        name: _without_none(options) if name in when else options
        for name, options in choices.items()
    }
    return Conditional(bare, conditions), found


def _sometimes(trials: Sequence[FrozenTrial], common: Mapping[str, Any]) -> dict[str, Choice]:
    """The parameters that some trials have, always with the same range, and None before."""
    ranges: dict[str, BaseDistribution] = {}
    changing = set()
    for trial in trials:
        for name, distribution in trial.distributions.items():
            if ranges.setdefault(name, distribution) != distribution:
                changing.add(name)
    optional = {
        name: _optional(distribution)
        for name, distribution in ranges.items()
        if name not in common and name not in changing and not distribution.single()
    }
    return {name: choice for name, choice in optional.items() if choice is not None}


def _optional(distribution: BaseDistribution) -> Choice | None:
    """How a parameter is searched that may be absent: None is its first option."""
    if isinstance(distribution, CategoricalDistribution):
        if None in distribution.choices:
            return None
        return CategoricalDistribution([None, *distribution.choices])
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    number = _number(distribution)
    return None if number is None else number.as_optional()


def _parent(
    name: str, found: Choices, trials: Sequence[FrozenTrial]
) -> tuple[str, list[Any]] | None:
    """A parameter whose values say whether a trial has another one, and these values.

    Of several the one with the fewest values, which could do so by chance the least.
    """
    parents = sorted(
        (len(values_of(choice)), parent)
        for parent, choice in found.items()
        if parent != name and not isinstance(choice, Number)
    )
    for _, parent in parents:
        on = [trial.params.get(parent) for trial in trials if name in trial.params]
        off = [t.params[parent] for t in trials if name not in t.params and parent in t.params]
        if None not in on and not any(value in off for value in on):
            # Not by hash: categories may be any objects.
            return parent, [value for i, value in enumerate(on) if value not in on[:i]]
    return None


def _without_none(options: Sequence[Any]) -> Sequence[Any]:
    if isinstance(options, Number):
        return replace(options, optional=False)
    return options[1:]


def _are_numbers(values: Sequence[Any]) -> bool:
    """Whether they can be a choice's numeric options: different finite numbers."""
    different = len(set(values)) == len(values)
    return different and all(is_number(value) and math.isfinite(value) for value in values)
