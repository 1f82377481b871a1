"""How a network is run on an example input, in whatever form a user gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def positional(given: Any) -> tuple[Any, ...]:
    """Several inputs from a tuple or a list, one from anything else."""
    return tuple(given) if isinstance(given, tuple | list) else (given,)


def run(network: Callable[..., Any], given: Any) -> Any:
    """The output on an input, on several in a tuple or list, or on keywords in a mapping."""
    return network(**given) if isinstance(given, Mapping) else network(*positional(given))


def tensors(given: Any) -> bool:
    """Whether it is a tensor or several: what can be scored, measured and exported."""
    inputs = positional(given)
    return bool(inputs) and all(hasattr(part, "detach") for part in inputs)
