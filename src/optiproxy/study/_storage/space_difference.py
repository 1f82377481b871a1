"""In what the space of a stored study differs from that of a search, for a message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution

from optiproxy.spaces import Space

# Characters of a definition that is stored: some databases take no longer text.
_LONGEST = 30_000
# Options of a choice that a message lists.
_LISTED = 12


def stored_definition(space: Space) -> dict[str, Any] | None:
    """A space's definition; None where it is too long to be stored."""
    found = space.definition
    return found if len(json.dumps(found)) <= _LONGEST else None


def difference(
    study: optuna.Study, definition: Mapping[str, Any] | None, space: Space
) -> Iterator[str]:
    """What differs between a stored study's space and another one; nothing where that is unknown.

    Args:
        study: The stored one.
        definition: Of its space, if that is stored.
        space: The other.
    """
    here = space.definition
    if definition is not None:
        yield from _of_definitions(definition, here)
        return
    distributions = _distributions(study)
    there = {
        n: d.choices for n, d in distributions.items() if isinstance(d, CategoricalDistribution)
    }
    compared = {n: o for n, o in here["choices"].items() if n in there or n not in distributions}
    if distributions:
        yield from _of_choices(there, compared)


def _distributions(study: optuna.Study) -> dict[str, Any]:
    """Of the choices of a stored study's first trial."""
    trials = study.get_trials(deepcopy=False)
    return next((dict(t.distributions) for t in trials if t.distributions), {})


def _of_definitions(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    choices = there["choices"], here["choices"]
    yield from _of_choices(*choices)
    if set(choices[0]) == set(choices[1]) and list(choices[0]) != list(choices[1]):
        first = next(a for a, b in zip(*choices, strict=True) if a != b)
        yield f"choice {first!r} comes earlier there"
    for name in choices[0]:
        conditions = [each.get("when", {}).get(name) for each in (there, here)]
        if name in choices[1] and conditions[0] != conditions[1]:
            texts = [_condition(condition) for condition in conditions]
            yield f"choice {name!r} exists {texts[0]} there, {texts[1]} here"
    rules = [each.get("where", []) for each in (there, here)]
    yield from (f"the rule {rule!r} is there alone" for rule in rules[0] if rule not in rules[1])
    yield from (f"the rule {rule!r} is here alone" for rule in rules[1] if rule not in rules[0])
    for name in dict.fromkeys([*there, *here]):
        values = there.get(name), here.get(name)
        if name not in ("choices", "when", "where") and values[0] != values[1]:
            yield f"{name}: {values[0]!r} there, {values[1]!r} here"


def _of_choices(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*there, *here]):
        if name not in here:
            yield f"choice {name!r} is there alone"
        elif name not in there:
            yield f"choice {name!r} is here alone"
        elif _text(there[name]) != _text(here[name]):
            yield f"choice {name!r} has {_text(there[name])} there, {_text(here[name])} here"


def _text(options: Sequence[Any] | Mapping[str, Any]) -> str:
    if isinstance(options, Mapping):  # Of a range.
        given = ", ".join(f"{k}={v!r}" for k, v in options.items() if k != "kind")
        return f"{str(options['kind']).capitalize()}({given})"
    text = ", ".join(map(repr, options[:_LISTED]))
    return text if len(options) <= _LISTED else f"{text}, … ({len(options)} options)"


def _condition(condition: Any) -> str:
    if condition is None:
        return "always"
    alternatives = condition if isinstance(condition, list) else [condition]
    terms = [
        " and ".join(f"{parent} is {' or '.join(map(str, o))}" for parent, o in term.items())
        for term in alternatives
    ]
    return f"where {', or '.join(terms)}"
