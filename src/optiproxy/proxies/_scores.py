"""Scores that cost no query (zero-cost proxies, parameters, FLOPs) as prior knowledge of a metric.

Abdelfattah et al., Zero-cost proxies for lightweight NAS, https://arxiv.org/abs/2101.08134, is
where training-free scores guide a search.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optiproxy.encodings import corners
from optiproxy.errors import InvalidValueError, invalid
from optiproxy.metrics import Function
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.informed import Mean, Model
from optiproxy.spaces import Architecture, Space
from optiproxy.spaces.architecture import Indices

# Drawn once: they give each score its scale, and teach the model that stands for it in the climb,
# where architectures are relaxed and no score can be computed.
SAMPLE = 200
SEED = 0x5C02E
RIDGE = 1.0
# A score that is far off its sample says little by how far.
LARGEST = 5.0


class Scores(Model):
    """Scores of architectures; a metric is believed to be linear in them.

    Args:
        space: The search space.
        metrics: M, how many metrics are learnt.
        features: Name → function of an architecture. It is called for every candidate, thousands
            in a search, and remembered.

    Raises:
        InvalidValueError: A score can't be computed, or is the same for all.
    """

    def __init__(self, space: Space, metrics: int, features: Mapping[str, Function]) -> None:
        if not isinstance(features, Mapping) or not all(callable(f) for f in features.values()):
            raise invalid("features", features, "give name → function of one architecture")
        self.reliability = torch.ones(metrics, dtype=torch.float64)
        self._space = space
        self._features = dict(features)
        self._known: dict[bytes, NDArray[np.float64]] = {}
        rows = np.unique(space.random_indices(SAMPLE, np.random.default_rng(SEED)), axis=0)
        raw = self._raw(rows)
        finite = np.isfinite(raw)
        for name, column, known in zip(self._features, raw.T, finite.T, strict=True):
            values = column[known]
            if not known.any() or np.ptp(values) <= 1e-12 * np.abs(values).max():
                raise invalid(
                    f"features: {name}", sorted(set(column.tolist()))[:3],
                    f"it does not tell {len(rows)} random architectures apart; leave it out",
                )  # fmt: skip
        masked = np.where(finite, raw, np.nan)
        self._mean, self._spread = np.nanmean(masked, 0), np.nanstd(masked, 0)
        self._stand_in = GaussianProcess(space)
        p = corners(space, torch.from_numpy(rows), torch.float64)
        self._stand_in.fit(p, self._standardised(raw))

    def only(self, outputs: list[int]) -> Scores:
        part = copy(self)  # what is computed is remembered by both
        part.reliability = self.reliability[outputs]
        return part

    def adapted(self, p: Tensor, y: Tensor) -> Mean:
        """Ridge regression on the scores. Which way they point is not known before it."""
        if len(p) < 2:
            return lambda q: torch.zeros(len(q), y.shape[1], dtype=q.dtype)
        z = self.values(p)
        offset = z.mean(0)
        centred = z - offset
        gram = centred.T @ centred + RIDGE * torch.eye(z.shape[1], dtype=z.dtype)
        slopes = torch.linalg.solve(gram, centred.T @ (y - y.mean(0)))  # (F, M)
        return lambda q: (self.values(q) - offset) @ slopes

    def values(self, p: Tensor) -> Tensor:
        """The scores of p (B, C, O), (B, F): exact at corners, else by the model of them."""
        if len(p) and bool((p.amax(-1) == 1).all()):
            return self._standardised(self._raw(p.argmax(-1).numpy()))
        return self._stand_in.mean(p)

    def _standardised(self, raw: NDArray[np.float64]) -> Tensor:
        z = (raw - self._mean) / self._spread
        return torch.from_numpy(np.nan_to_num(z, nan=-LARGEST).clip(-LARGEST, LARGEST))

    def _raw(self, rows: Indices) -> NDArray[np.float64]:
        rows = np.ascontiguousarray(rows, dtype=np.int64)
        keys = [row.tobytes() for row in rows]
        missing = [i for i, key in enumerate(keys) if key not in self._known]
        for i, arch in zip(missing, self._space.from_indices(rows[missing]), strict=True):
            self._known[keys[i]] = np.array(
                [self._score(name, arch) for name in self._features], dtype=np.float64
            )
        return np.stack([self._known[key] for key in keys]).reshape(len(rows), len(self._features))

    def _score(self, name: str, arch: Architecture) -> float:
        try:
            return float(self._features[name](arch))
        except Exception as error:
            raise InvalidValueError(
                f"features: {name}: it raised {type(error).__name__} ({error}) for "
                f"{self._space.to_text(arch)}; it has to be known for every architecture"
            ) from error
