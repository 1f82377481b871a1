"""What a search that keeps breaking its limits should be told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from optiproxy.metrics import Constraint, is_feasible

# Of so many last results, more than this share may break a limit before it is told. A search close
# to its limit breaks it in about half of its queries, and finds what it looks for.
RECENT = 20
SHARE = 0.8


def violations(measured: Sequence[Mapping[str, float]], constraints: Sequence[Constraint]) -> str:
    """A sentence with the remedy where most of the last results break a limit; else empty.

    Args:
        measured: The metrics of all results that have any, in their order.
        constraints: The limits, absolute.
    """
    last = measured[-RECENT:]
    if not constraints or len(last) < RECENT:
        return ""
    broken = [m for m in last if not is_feasible(m, constraints)]
    if len(broken) <= SHARE * RECENT:
        return ""
    worst = max(constraints, key=lambda c: sum(_breaks(m, c) for m in broken))
    values = [m[worst.metric] for m in measured if worst.metric in m]
    nearest = min(values, key=lambda value: worst.sign * value)
    met = sum(is_feasible(m, constraints) for m in measured)
    reached = (
        f"the nearest to it in the whole search is {nearest:g}"
        if worst.violation(nearest) > 0
        else f"{met} of all {len(measured)} meet every limit"
    )
    return (
        f"{len(broken)} of the last {RECENT} results break a limit, most of them {worst}; "
        f"{reached}: loosen the limit, or give the search choices with a "
        f"{'smaller' if worst.sign > 0 else 'larger'} {worst.metric}"
    )


def _breaks(metrics: Mapping[str, float], constraint: Constraint) -> bool:
    return constraint.violation(metrics.get(constraint.metric, math.nan)) > 0
