"""An order of names along pairs of which the first comes before the second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def in_order(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The names along the pairs, else as they stand; also where the pairs go round in a circle."""
    before: dict[str, set[str]] = {name: set() for name in names}
    for first, second in pairs:
        if first != second:
            before[second].add(first)
    order: list[str] = []
    while before:
        name = next((name for name, waits in before.items() if not waits), next(iter(before)))
        order.append(name)
        del before[name]
        for waits in before.values():
            waits.discard(name)
    return order
