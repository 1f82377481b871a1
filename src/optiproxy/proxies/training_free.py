"""Training-free scores as knowledge before the first query; see `optiproxy.proxies.prior`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optiproxy.encodings import corners, is_corner, nearest
from optiproxy.errors import InvalidValueError, invalid
from optiproxy.metrics import Function
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.prior import Mean, Model
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices
from optiproxy.spaces.narrowed import Narrowed, is_wide

# Random architectures that give each score its scale, and train the model that stands for the
# scores where they are not computed.
SAMPLE, SEED = 200, 0x5C02E
SAMPLE_OF_NETWORKS, FEWEST_NETWORKS = 100, 20
RIDGE = 1.0
# Standardised scores beyond this are clipped: how far out an outlier lies means little.
LARGEST = 5.0


class ScoreTable(Protocol):
    """Scores of B architectures: names of S of them, values (B, S), NaN where one is unknown."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def values(self) -> NDArray[np.float64]: ...


class NetworkScores(Protocol):
    """Scores for which a network has to be built, as `optiproxy.scores.NetworkScores`."""

    def __call__(self, archs: Sequence[Architecture], /) -> ScoreTable: ...


Features = Mapping[str, Function] | NetworkScores


class Scores(Model):
    """Training-free scores of architectures; each metric is modelled as linear in them.

    Abdelfattah et al., Zero-cost proxies for lightweight NAS, https://arxiv.org/abs/2101.08134.

    Functions are computed for every architecture. Scores of networks take longer: they are computed
    for a random sample, and for what `look_at` and `keep` name; elsewhere a Gaussian process
    predicts them.

    Args:
        space: The search space.
        metrics: M, the number of metrics.
        features: Name → function of an architecture, or scores of networks.

    Attributes:
        names: The scores that are in use: those of networks that failed or were the same for all
            architectures are left out.

    Raises:
        InvalidValueError: A function can't be computed, or is the same for all architectures.
    """

    def __init__(self, space: Space, metrics: int, features: Features) -> None:
        check_features(features)
        self.reliability = torch.ones(metrics, dtype=torch.float64)
        self._space = space
        self._features = features
        self._computed: dict[bytes, NDArray[np.float64]] = {}
        self._looked_at: dict[bytes, NDArray[np.float64]] = {}
        rng = np.random.default_rng(SEED)
        rows = np.unique(space.random_indices(SAMPLE, rng), axis=0)
        if isinstance(features, Mapping):
            self.names = tuple(features)
        else:
            rows = rng.permutation(rows)[:SAMPLE_OF_NETWORKS]
            self.names = features(space.from_indices(rows)).names
        raw = self._raw(rows)
        if isinstance(features, Mapping):
            self._check_varied(raw)
        else:
            known = ~np.isnan(raw).all(1)
            rows, raw = rows[known], raw[known]
            if len(rows) < FEWEST_NETWORKS:
                self.names = ()
            if not self.names:
                return
        #: Random architectures whose scores are computed, (B, C).
        self.sample = rows
        self._computed.update(zip(self._keys(rows), raw, strict=True))
        masked = np.where(np.isfinite(raw), raw, np.nan)
        size = np.nanmax(np.abs(masked), 0)
        # Parts of the largest, where squares would overflow or vanish.
        size[(size > 1e-100) & (size < 1e100)] = 1.0
        self._mean = np.nanmean(masked / size, 0) * size
        self._spread = np.nanstd(masked / size, 0) * size
        self._relaxed = None if is_wide(space) else self._fitted()

    def _fitted(self) -> GaussianProcess:
        """Predicts scores from those of the sample."""
        raw = np.stack([self._computed[key] for key in self._keys(self.sample)])
        gp = GaussianProcess(self._space)
        gp.fit(self._corners(self.sample), torch.from_numpy(self._standardised(raw)))
        return gp

    def on(self, narrow: Narrowed) -> Scores:
        """The same for the rows of a narrowed space, which keeps the options of the sample."""
        other = copy(self)  # Both share what was computed.
        other._space, other.sample = narrow, narrow.narrow(self.sample)
        other._relaxed = other._fitted()
        return other

    @property
    def computed_everywhere(self) -> bool:
        """Whether the score of any architecture is known, rather than predicted."""
        return isinstance(self._features, Mapping)

    def keep(self, rows: Indices) -> None:
        """Computes the scores of `rows` (B, C), for good."""
        self._computed.update(self._missing(rows))

    def look_at(self, rows: Indices) -> None:
        """Computes the scores of `rows` (B, C) until the next call.

        What is known in a round thus depends on the round alone, and not on those before it: a
        search that is resumed is the same search.
        """
        if not self.computed_everywhere:
            found = self._missing(rows)
            self._looked_at.clear()  # In place: the parts of `only` share it.
            self._looked_at.update(found)

    def only(self, outputs: list[int]) -> Scores:
        part = copy(self)  # Both share what was computed.
        part.reliability = self.reliability[outputs]
        return part

    def adapted(self, p: Tensor, y: Tensor) -> Mean:
        """Ridge regression on the scores; below two queries their direction is unknown: zero."""
        if len(p) < 2:
            return lambda q: torch.zeros(len(q), y.shape[1], dtype=q.dtype)
        z = self.values(p)
        offset = z.mean(0)
        centred = z - offset
        gram = centred.T @ centred + RIDGE * torch.eye(z.shape[1], dtype=z.dtype)
        slopes = torch.linalg.solve(gram, centred.T @ (y - y.mean(0)))  # (F, M)
        return lambda q: (self.values(q) - offset) @ slopes

    def of(self, rows: Indices) -> NDArray[np.float64]:
        """The scores of architectures (B, C), (B, F): standardised, outliers drawn in; no NaN."""
        return np.arcsinh(self._at(rows))

    def values(self, p: Tensor) -> Tensor:
        """The scores of p (B, C, O), (B, F): predicted where p is relaxed."""
        if len(p) and not p.requires_grad and is_corner(self._space, p):
            return torch.from_numpy(self._at(nearest(self._space, p)).clip(-LARGEST, LARGEST))
        assert self._relaxed is not None, "a search reads a wide space narrowed"
        return self._relaxed.mean(p)

    def _at(self, rows: Indices) -> NDArray[np.float64]:
        """Standardised scores (B, F), not clipped; no NaN."""
        if self.computed_everywhere:
            self.keep(rows)
        known = [self._computed.get(key, self._looked_at.get(key)) for key in self._keys(rows)]
        there = np.array([raw is not None for raw in known], dtype=bool)
        z = np.empty((len(rows), len(self.names)))
        if there.any():
            raw = np.stack([raw for raw in known if raw is not None])
            z[there] = np.nan_to_num((raw - self._mean) / self._spread, nan=-LARGEST)
        if not there.all():
            with torch.no_grad():
                z[~there] = self._predicted(rows[~there]).numpy()
        return z

    def _predicted(self, rows: Indices) -> Tensor:
        if self._relaxed is None:
            parts = []
            for part in np.array_split(rows, -(-len(rows) // SAMPLE)):  # of few options each
                narrow = Narrowed(self._space, np.concatenate([self.sample, part]))
                parts.append(self.on(narrow)._predicted(narrow.narrow(part)))
            return torch.cat(parts)
        return self._relaxed.mean(self._corners(rows))

    def _standardised(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        z = (raw - self._mean) / self._spread
        return np.asarray(np.nan_to_num(z, nan=-LARGEST).clip(-LARGEST, LARGEST))

    def _missing(self, rows: Indices) -> dict[bytes, NDArray[np.float64]]:
        """The scores of those rows that `keep` has not computed."""
        keys = self._keys(rows)
        new = {key: i for i, key in enumerate(keys) if key not in self._computed}
        raw = self._raw(rows[list(new.values())])
        found = zip(new, raw, strict=True)
        if self.computed_everywhere:
            return dict(found)
        # A network that could not be built, or for which time was up, is predicted.
        return {key: scores for key, scores in found if not np.isnan(scores).all()}

    def _raw(self, rows: Indices) -> NDArray[np.float64]:
        archs = self._space.from_indices(rows)
        values = np.full((len(rows), len(self.names)), np.nan)
        if isinstance(self._features, Mapping):
            for i, arch in enumerate(archs):
                values[i] = [self._score(*named, arch) for named in self._features.items()]
        elif len(archs):
            table = self._features(archs)
            for name, column in zip(table.names, table.values.T, strict=True):
                if name in self.names:
                    values[:, self.names.index(name)] = column
        return values

    def _score(self, name: str, function: Function, arch: Architecture) -> float:
        try:
            return float(function(arch))
        except Exception as error:
            raise InvalidValueError(
                f"features: {name}: it raised {type(error).__name__} ({error}) for "
                f"{self._space.to_text(arch)}; it has to be known for every architecture"
            ) from error

    def _check_varied(self, raw: NDArray[np.float64]) -> None:
        for name, column in zip(self.names, raw.T, strict=True):
            values = column[np.isfinite(column)]
            if not len(values) or np.ptp(values) <= 1e-12 * np.abs(values).max():
                raise invalid(
                    f"features: {name}", sorted(set(column.tolist()))[:3],
                    f"it is the same for {len(raw)} random architectures; leave it out",
                )  # fmt: skip

    def _keys(self, rows: Indices) -> list[bytes]:
        """Equal for equal architectures, whichever of its options a narrowed space has."""
        if isinstance(self._space, Narrowed):
            rows = self._space.widen(rows)
        return [row.tobytes() for row in np.ascontiguousarray(rows, dtype=np.int64)]

    def _corners(self, rows: Indices) -> Tensor:
        return corners(self._space, torch.from_numpy(rows), torch.float64)


def joined(features: Features, functions: Mapping[str, Function]) -> Features:
    """Scores and functions of an architecture together."""
    if isinstance(features, Mapping) or not functions:
        return {**features, **functions} if isinstance(features, Mapping) else features
    return _Joined(features, functions)


@dataclass(frozen=True)
class _Table:
    names: tuple[str, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class _Joined:
    """Scores of networks, and functions of the same architectures."""

    scores: NetworkScores
    functions: Mapping[str, Function]

    def __call__(self, archs: Sequence[Architecture]) -> ScoreTable:
        table = self.scores(archs)
        values = np.array([[f(arch) for f in self.functions.values()] for arch in archs])
        values = np.hstack([table.values, values.reshape(len(archs), len(self.functions))])
        # An architecture that was not scored stays so, and is predicted.
        if table.names:
            values[np.isnan(table.values).all(1)] = np.nan
        return _Table((*table.names, *self.functions), values)


def check_features(features: object) -> None:
    """Raises InvalidValueError unless they are functions by name, or scores of networks."""
    functions = features.values() if isinstance(features, Mapping) else [features]
    if not all(map(callable, functions)):
        raise invalid("features", features, "give name → function of one architecture")
