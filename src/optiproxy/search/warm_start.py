"""Reads earlier studies for a warm start, and checks them against the space."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, invalid
from optiproxy.metrics import Objective
from optiproxy.search.problem import number
from optiproxy.spaces import Architecture, Option, Space
from optiproxy.spaces.architecture import Indices

_Pairs: TypeAlias = list[tuple[Any, Any]]

# The least number of successful queries to fit and cross-validate a Gaussian process.
FEWEST = 5


@dataclass(frozen=True)
class EarlierStudy:
    """The successful queries of one earlier study.

    Attributes:
        rows: (T, C).
        metrics: The metrics of each.
    """

    rows: Indices
    metrics: tuple[Mapping[str, float], ...]

    def values(self, metric: str) -> NDArray[np.float64]:
        """(T,), all NaN unless every query has the metric."""
        values = np.array([float(m.get(metric, math.nan)) for m in self.metrics])
        return values if np.isfinite(values).all() else np.full(len(values), math.nan)

    def pairs(self, space: Space) -> list[tuple[Architecture, Mapping[str, float]]]:
        """Pairs of architecture and metrics."""
        return list(zip(space.from_indices(self.rows), self.metrics, strict=True))


def read_earlier(
    space: Space, studies: Iterable[Any], objectives: Sequence[Objective]
) -> tuple[EarlierStudy, ...]:
    """Reads each study: an object with `queries`, or pairs (architecture, metrics).

    The low-fidelity queries of a study become a study of their own, since their values differ from
    full evaluations; of several parts, those with fewer than five successful queries are left out.

    Raises:
        InvalidValueError: One can't be read, is of another space, lacks an objective's metric, or
            has fewer than five successful queries.
    """
    if isinstance(studies, Mapping | str) or not isinstance(studies, Iterable):
        raise invalid("warm_start", studies, "give a list of earlier studies")
    found = []
    for i, study in enumerate(studies, start=1):
        field = f"warm_start: study {i}"
        parts = _parts(field, study, objectives)
        large = [part for part in parts if sum(m is not None for _, m in part) >= FEWEST]
        found += [_study(field, space, part, objectives) for part in large or [max(parts, key=len)]]
    return tuple(found)


def _parts(field: str, study: Any, objectives: Sequence[Objective]) -> list[_Pairs]:
    """Its pairs (architecture, metrics); those of a study grouped by epochs."""
    if not hasattr(study, "queries"):
        try:
            return [[(arch, metrics) for arch, metrics in study]]
        except (TypeError, ValueError):
            raise invalid(
                field, study, "give a study, or a list of pairs (architecture, metrics)"
            ) from None
    # A query that broke a limit before its training has no objectives.
    wanted = {objective.metric for objective in objectives}
    parts: dict[int | None, _Pairs] = {None: []}  # None: full training
    for query in study.queries:
        if query.feasible or wanted <= set(query.metrics or ()):
            part = parts.setdefault(getattr(query, "epochs", None), [])
            part.append((query.architecture, query.metrics))
    return list(parts.values())


def _study(
    field: str, space: Space, pairs: _Pairs, objectives: Sequence[Objective]
) -> EarlierStudy:
    archs, results = [], []
    added: dict[str, Option] = {}
    for arch, metrics in pairs:
        if metrics is None:
            continue
        if not isinstance(metrics, Mapping):
            metrics = {objectives[0].metric: metrics}
        try:
            whole, missing = _completed(space, arch)
            known = space.architecture(whole)
        except InvalidValueError as error:
            raise InvalidValueError(f"{field}: it is of another space: {error}") from None
        added.update(missing)
        values = {m: number(f"{field}: {m}", value) for m, value in metrics.items()}
        if any(not math.isfinite(values.get(o.metric, 0.0)) for o in objectives):
            continue  # a failure, as in `Optimizer.tell`
        archs.append(known)
        results.append(values)
    if not results:
        raise invalid(field, "no successful query", "leave it out")
    for objective in objectives:
        if not all(objective.metric in metrics for metrics in results):
            names = sorted({name for metrics in results for name in metrics})
            raise invalid(
                field, names, f"each of its queries needs the objective {objective.metric!r}"
            )
    if len(results) < FEWEST:
        raise invalid(field, f"{len(results)} queries", f"give one of {FEWEST} or more")
    for name, option in added.items():
        warnings.warn(
            f"{field}: choice {name!r} is new; architectures without it are read with its first "
            f"option, {option!r}",
            stacklevel=2,
        )
    return EarlierStudy(space.to_indices(archs), tuple(results))


def _completed(space: Space, arch: Any) -> tuple[Any, dict[str, Option]]:
    """An architecture with the default of choices that its space did not have, and these."""
    mapping = dict(space._mapping(arch))
    added: dict[str, Option] = {}
    # Of an architecture that lacks most choices, they are missing and not new.
    for name in space.names if 2 * len(mapping) >= len(space) else ():
        if name not in space.fill_defaults(mapping):
            mapping[name] = added[name] = space.default_option(name)
    return mapping, added
