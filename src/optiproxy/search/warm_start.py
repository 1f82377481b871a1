"""Reads earlier studies for a warm start, and checks them against the space."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError, invalid
from optiproxy.metrics import Objective
from optiproxy.search.problem import number
from optiproxy.spaces import Architecture, Option, Space
from optiproxy.spaces.architecture import Indices
from optiproxy.spaces.description import description

if TYPE_CHECKING:
    from optiproxy.proxies.another_space import Lesson

_Pairs: TypeAlias = list[tuple[Any, Any]]

# The least number of successful queries to fit and cross-validate a Gaussian process.
FEWEST = 5


@dataclass(frozen=True)
class EarlierStudy:
    """The successful queries of one earlier study of the same space.

    Attributes:
        rows: (T, C).
        metrics: The metrics of each.
    """

    rows: Indices
    metrics: tuple[Mapping[str, float], ...]

    def values(self, metric: str) -> NDArray[np.float64]:
        """(T,), all NaN unless every query has the metric."""
        return _values(self.metrics, metric)

    def pairs(self, space: Space) -> list[tuple[Architecture, Mapping[str, float]]]:
        """Pairs of architecture and metrics."""
        return list(zip(space.from_indices(self.rows), self.metrics, strict=True))


@dataclass(frozen=True)
class DescribedStudy:
    """The successful queries of one earlier study of another space.

    Attributes:
        descriptions: Of each network (`spaces.description`).
        metrics: The metrics of each.
    """

    descriptions: tuple[Mapping[str, float], ...]
    metrics: tuple[Mapping[str, float], ...]

    def values(self, metric: str) -> NDArray[np.float64]:
        """(T,), all NaN unless every query has the metric."""
        return _values(self.metrics, metric)


Earlier: TypeAlias = EarlierStudy | DescribedStudy


def read_earlier(
    space: Space, studies: Iterable[Any], objectives: Sequence[Objective]
) -> tuple[Earlier, ...]:
    """Reads each study: an object with `queries`, or pairs (architecture, metrics).

    The low-fidelity queries of a study become a study of their own, since their values differ from
    full evaluations; of several parts, those with fewer than five successful queries are left out.
    A study of another space is read if it has its `space`, or a `task` with it, by which its
    networks are described.

    Raises:
        InvalidValueError: One can't be read, is of another space that it does not have or whose
            networks have nothing in common with this one's, lacks an objective's metric, or has
            fewer than five successful queries.
    """
    if isinstance(studies, Mapping | str) or not isinstance(studies, Iterable):
        raise invalid("warm_start", studies, "give a list of earlier studies")
    found: list[Earlier] = []
    for i, study in enumerate(studies, start=1):
        if isinstance(study, DescribedStudy):
            found.append(study)
            continue
        field = f"warm_start: study {i}"
        parts = _parts(field, study, objectives)
        large = [part for part in parts if sum(m is not None for _, m in part) >= FEWEST]
        own = getattr(getattr(study, "task", study), "space", None)
        for part in large or [max(parts, key=len)]:
            found.append(_study(field, space, own, part, objectives))
    return tuple(found)


def lessons(
    space: Space, studies: Iterable[DescribedStudy], objectives: Sequence[Objective]
) -> dict[str, Lesson]:
    """What studies of other spaces teach of each objective, by a name; those that rank nothing
    are left out.
    """
    from optiproxy.proxies.another_space import Lesson  # It loads torch.

    found = {
        f"{objective.metric} by warm_start: study {i}": Lesson(
            space, study.descriptions, objective.sign * study.values(objective.metric)
        )
        for i, study in enumerate(studies, start=1)
        for objective in objectives
    }
    return {name: lesson for name, lesson in found.items() if lesson.useful}


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
    field: str, space: Space, own: Any, pairs: _Pairs, objectives: Sequence[Objective]
) -> Earlier:
    archs, results = [], []
    for arch, metrics in pairs:
        if metrics is None:
            continue
        if not isinstance(metrics, Mapping):
            metrics = {objectives[0].metric: metrics}
        values = {m: number(f"{field}: {m}", value) for m, value in metrics.items()}
        if any(not math.isfinite(values.get(o.metric, 0.0)) for o in objectives):
            continue  # a failure, as in `Optimizer.tell`
        archs.append(arch)
        results.append(values)
    if not results:
        raise invalid(field, "no successful query", "leave it out")
    rows: Indices | None = None
    descriptions: tuple[Mapping[str, float], ...] = ()
    try:
        rows = _rows(field, space, archs)
    except InvalidValueError as error:
        descriptions = _descriptions(field, space, own, archs, error)
    for objective in objectives:
        if not all(objective.metric in metrics for metrics in results):
            names = sorted({name for metrics in results for name in metrics})
            raise invalid(
                field, names, f"each of its queries needs the objective {objective.metric!r}"
            )
    if len(results) < FEWEST:
        raise invalid(field, f"{len(results)} queries", f"give one of {FEWEST} or more")
    if rows is None:
        return DescribedStudy(descriptions, tuple(results))
    return EarlierStudy(rows, tuple(results))


def _descriptions(
    field: str, space: Space, own: Any, archs: Sequence[Any], problem: InvalidValueError
) -> tuple[Mapping[str, float], ...]:
    """Of the architectures of another space, by which `space` can learn from them."""
    from optiproxy.proxies.another_space import in_common, sample_of  # It loads torch.

    another = f"{field}: it is of another space: {problem}"
    if not isinstance(own, Space):
        raise InvalidValueError(
            f"{another}; to learn from another space, give the study itself, which has its space"
        ) from None
    found = tuple(description(own, arch) for arch in own.architectures(archs))
    common = in_common(found, sample_of(space))
    if not common:
        raise InvalidValueError(
            f"{another}; no count of operations, length of paths or number varies in both; leave "
            "it out"
        ) from None
    warnings.warn(
        f"{another}; it teaches by what its networks have in common with this one's: "
        + ", ".join(common),
        stacklevel=2,
    )
    return found


def _rows(field: str, space: Space, archs: Sequence[Any]) -> Indices:
    """The rows of architectures in the space, (T, C), which may have grown since."""
    added: dict[str, Option] = {}
    known = []
    for arch in archs:
        whole, missing = _completed(space, arch)
        known.append(space.architecture(whole))
        added.update(missing)
    for name, option in added.items():
        warnings.warn(
            f"{field}: choice {name!r} is new; architectures without it are read with its first "
            f"option, {option!r}",
            stacklevel=2,
        )
    return space.to_indices(known)


def _values(metrics: Sequence[Mapping[str, float]], metric: str) -> NDArray[np.float64]:
    values = np.array([float(m.get(metric, math.nan)) for m in metrics])
    return values if np.isfinite(values).all() else np.full(len(values), math.nan)


def _completed(space: Space, arch: Any) -> tuple[Any, dict[str, Option]]:
    """An architecture with the default of choices that its space did not have, and these."""
    mapping = dict(space._mapping(arch))
    added: dict[str, Option] = {}
    # Of an architecture that lacks most choices, they are missing and not new.
    for name in space.names if 2 * len(mapping) >= len(space) else ():
        if name not in space.fill_defaults(mapping):
            mapping[name] = added[name] = space.default_option(name)
    return mapping, added
