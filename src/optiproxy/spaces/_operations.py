"""Checks of lists of operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from optiproxy.errors import InvalidValueError, invalid


def operation_problems(operations: object, allowed: str, without: str) -> list[str]:
    """Everything that is wrong with a list of operations.

    Args:
        operations: The argument as given.
        allowed: A regular expression that each name must match in full.
        without: The characters that it excludes, for the message.
    """
    if isinstance(operations, str) or not isinstance(operations, Sequence) or not operations:
        return [f"operations: got {operations!r}; give a list of names without {without}"]
    problems = []
    bad = [op for op in operations if not isinstance(op, str) or not re.fullmatch(allowed, op)]
    if bad:
        problems.append(f"operations: got {bad!r}; give names without {without}")
    names = [op for op in operations if isinstance(op, str)]
    twice = sorted({op for op in names if names.count(op) > 1})
    if twice:
        problems.append(
            f"operations: {', '.join(map(repr, twice))} is listed twice; name each once"
        )
    return problems


def refuse(space: str, problems: Sequence[str]) -> None:
    """Raises InvalidValueError with all `problems`, if there are any."""
    if problems:
        raise InvalidValueError(f"{space}: {'; '.join(problems)}")


def check_buildable(operations: Iterable[str], known: Iterable[str], benchmark: str) -> None:
    """Raises InvalidValueError where a network of `benchmark` has no layer for an operation."""
    known = list(known)
    other = [op for op in operations if op not in known]
    if other:
        remedy = (
            f"the network of {benchmark} has {', '.join(known)}; give the task a build function "
            "for others: Task(..., build=my_function)"
        )
        raise invalid("build: operations", other, remedy)
