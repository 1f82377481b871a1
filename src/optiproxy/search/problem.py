"""What a method reads: a task, and the numbers of a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from optiproxy.errors import invalid
from optiproxy.metrics import Constraint, Function, Objective
from optiproxy.scalars import to_float
from optiproxy.spaces import Space

if TYPE_CHECKING:  # Random search needs no torch.
    from optiproxy.proxies.training_free import Features


@runtime_checkable
class Problem(Protocol):
    """What a method reads of a task; `optiproxy.Task` is one."""

    @property
    def space(self) -> Space: ...
    @property
    def objectives(self) -> tuple[Objective, ...]: ...
    @property
    def constraints(self) -> tuple[Constraint, ...]: ...
    @property
    def exact(self) -> Mapping[str, Function]: ...
    @property
    def features(self) -> Features: ...
    @property
    def distinct(self) -> bool: ...

    def resolved(self) -> Self:
        """The same with absolute limits."""


def number(field: str, value: object) -> float:
    """`value` as a float; the error names its `field`."""
    try:
        return to_float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise invalid(field, value, "give a number, or None for the result if it failed") from None
