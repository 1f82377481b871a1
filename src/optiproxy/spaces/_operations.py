"""What every space with a list of operations asks of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from optiproxy.errors import InvalidValueError


def operation_problems(operations: object, allowed: str, without: str) -> list[str]:
    """What is wrong with a list of operations, all of it.

    Args:
        operations: What was given.
        allowed: A pattern that each name must match as a whole.
        without: What the pattern forbids, in words.
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
        problems.append(f"operations: {', '.join(map(repr, twice))} stands twice; name each once")
    return problems


def refuse(space: str, problems: Sequence[str]) -> None:
    """Raises InvalidValueError with all `problems`, if there are any."""
    if problems:
        raise InvalidValueError(f"{space}: {'; '.join(problems)}")
