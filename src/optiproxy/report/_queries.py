"""Queries as plain values, and their columns as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.metrics import Objective

Query = Mapping[str, Any]
Queries = Sequence[Query]


def value(query: Query, metric: str) -> float:
    """A metric of a query; NaN where it has none."""
    # A failed query has no metrics, and a metric that is no number is None in JSON.
    found = (query["metrics"] or {}).get(metric)
    return math.nan if found is None else float(found)


def column(queries: Queries, metric: str) -> NDArray[np.float64]:
    """A metric of all queries, (T,); NaN where one has none."""
    return np.array([value(query, metric) for query in queries], dtype=np.float64)


def objective_values(queries: Queries, goals: Sequence[Objective]) -> NDArray[np.float64]:
    """The objectives in their units, (T, M); NaN where a query failed."""
    return np.stack([column(queries, goal.metric) for goal in goals], axis=1)


def meet_limits(queries: Queries) -> NDArray[np.bool_]:
    """Which queries meet all limits, (T,)."""
    return np.array([bool(query["feasible"]) for query in queries], dtype=bool)


def together(courses: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The courses of several searches, (S, T); one that ended early keeps its last value."""
    length = max(map(len, courses))
    return np.stack([np.pad(course, (0, length - len(course)), mode="edge") for course in courses])
