"""A Gaussian process on the relaxed choices: the proxy for few queries.

Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006: equations 2.25 and 2.26 (the
posterior), 5.8 and 5.9 (the marginal likelihood and its gradient). The kernel is in `_kernel`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize
from torch import Tensor

from optiproxy.proxies._kernel import Array, Features, Kernel
from optiproxy.proxies.base import Beliefs, Proxy
from optiproxy.spaces import Space

ITERATIONS = 30  # of L-BFGS; the penalised likelihood hardly moves after these
JITTER = 1e-6

# Each log parameter has a normal prior (mean, deviation), which keeps 15 parameters in place where
# there are 10 queries. Targets are standardised, so amplitudes of e^-1 add up to about one.
PRIORS = {
    "amplitude": (-1.0, 1.5),
    "noise": (-4.0, 1.5),
    "weight": (-2.0, 1.5),
    "choices": (-1.0, 1.2),
    "paths": (-1.0, 1.2),
    "counts": (-2.0, 1.5),
    "pairs": (-2.0, 1.5),
}
BOUND = 5.0  # a log parameter stays within so many deviations of its prior


@dataclass(frozen=True)
class _Posterior:
    """One metric: what is needed to predict it."""

    scales: list[Tensor]
    amplitudes: Tensor
    weights: Tensor
    noise: float
    factor: Tensor  # (T, T), lower Cholesky factor of K + noise
    alpha: Tensor  # (T,), (K + noise)^-1 y


class GaussianProcess(Proxy):
    """Exact Gaussian processes, one for each metric, with a learnt mixture kernel.

    >>> from optiproxy.encodings import corners
    >>> from optiproxy.spaces import Chain
    >>> space = Chain({"depth": [1, 2, 3], "width": [16, 32]})
    >>> p = corners(space, torch.from_numpy(space.all_indices), torch.float64)
    >>> proxy = GaussianProcess(space)
    >>> proxy.fit(p, torch.tensor([[-1.0], [-1.0], [0.0], [0.0], [1.0], [1.0]]).double())
    >>> mean, spread = proxy.predict(p)
    >>> bool(mean[5] > mean[0]), spread.shape
    (True, torch.Size([6, 1]))

    Hyper-parameters are those of largest penalised marginal likelihood, found by L-BFGS from the
    prior's centre: a fit depends on the data alone, never on the round before.
    """

    dtype = torch.float64

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._kernel = Kernel(space)
        self._train: Features | None = None
        self._posteriors: list[_Posterior] = []

    def fit(self, p: Tensor, y: Tensor) -> None:
        self._train = self._kernel.features(p)
        distances, agreements = self._kernel.distances(p)
        self._posteriors = [
            self._posterior(
                _Likelihood(self._kernel, distances, agreements, y[:, m].numpy()), y[:, m]
            )
            for m in range(y.shape[1])
        ]

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        features = self._kernel.features(p)
        means, spreads = [], []
        for posterior in self._posteriors:
            k, solved = self._cross(posterior, features)
            variance = self._diagonal(posterior, features) - (solved**2).sum(0)
            means.append(k @ posterior.alpha)
            spreads.append(variance.clamp(min=JITTER).sqrt())
        return torch.stack(means, 1), torch.stack(spreads, 1)

    def beliefs(self, p: Tensor) -> Beliefs:
        with torch.no_grad():
            return _Conditioned(self, self._kernel.features(p))

    def _posterior(self, likelihood: _Likelihood, y: Tensor) -> _Posterior:
        theta = likelihood.maximise()
        split = {name: torch.from_numpy(np.exp(v)) for name, v in likelihood.split(theta).items()}
        scales = [split[name] for name in ("choices", "paths", "counts", "pairs")]
        noise = float(split["noise"]) + JITTER
        assert self._train is not None
        k = self._kernel.cross(
            scales, split["amplitude"], split["weight"], self._train, self._train
        )
        factor = torch.linalg.cholesky(k + noise * torch.eye(len(y), dtype=k.dtype))
        alpha = torch.cholesky_solve(y[:, None], factor)[:, 0]
        return _Posterior(scales, split["amplitude"], split["weight"], noise, factor, alpha)

    def _cross(self, post: _Posterior, features: Features) -> tuple[Tensor, Tensor]:
        """k (B, T) and the whitened (T, B), whose squares are the variance that data takes away."""
        assert self._train is not None, "fit comes before predict"
        k = self._kernel.cross(post.scales, post.amplitudes, post.weights, features, self._train)
        return k, torch.linalg.solve_triangular(post.factor, k.T, upper=False)

    def _diagonal(self, post: _Posterior, features: Features) -> Tensor:
        return self._kernel.diagonal(post.scales, post.amplitudes, post.weights, features)


class _Conditioned(Beliefs):
    """Beliefs whose variances are updated by rank one, RW 2006 eq. 2.26 applied to one point."""

    def __init__(self, gp: GaussianProcess, features: Features) -> None:
        self._gp = gp
        self._features = features
        self._whitened: list[Tensor] = []
        means, variances = [], []
        for post in gp._posteriors:
            k, solved = gp._cross(post, features)
            means.append(k @ post.alpha)
            variances.append(gp._diagonal(post, features) - (solved**2).sum(0))
            self._whitened.append(solved)
        self._variance = torch.stack(variances, 1)
        super().__init__(torch.stack(means, 1), self._variance.clamp(min=JITTER).sqrt())

    def believe(self, index: int) -> None:
        f = self._features
        one = Features(f.p[index, None], f.counts[index, None], f.pairs[index, None])
        for m, post in enumerate(self._gp._posteriors):
            prior = self._gp._kernel.cross(post.scales, post.amplitudes, post.weights, one, f)[0]
            covariance = prior - self._whitened[m][:, index] @ self._whitened[m]  # (B,)
            row = covariance / (covariance[index].clamp(min=JITTER) + post.noise).sqrt()
            self._whitened[m] = torch.cat([self._whitened[m], row[None]])
            self._variance[:, m] -= row**2
        self.spread = self._variance.clamp(min=JITTER).sqrt()


class _Likelihood:
    """Penalised negative log marginal likelihood of one metric, with its gradient, in numpy."""

    def __init__(self, kernel: Kernel, distances: list[Array], agreements: Array, y: Array) -> None:
        names = ["choices", "paths", "counts", "pairs"]
        sizes = {"amplitude": 4, "noise": 1, "weight": kernel.choices}
        sizes |= dict(zip(names, kernel.groups, strict=True))
        self._slices: dict[str, slice] = {}
        offset = 0
        for name, size in sizes.items():
            self._slices[name] = slice(offset, offset + size)
            offset += size
        self._mean, self._deviation = (
            np.concatenate([np.full(size, PRIORS[name][i]) for name, size in sizes.items()])
            for i in (0, 1)
        )
        # The additive view's weights share one unit, however many choices there are.
        self._mean[self._slices["weight"]] -= np.log(kernel.choices / 6)
        self._views = [(i, n, distances[i]) for i, n in enumerate(names) if len(distances[i])]
        self._agreements = agreements
        self._y = y

    def split(self, theta: Array) -> dict[str, Array]:
        return {name: theta[where] for name, where in self._slices.items()}

    def maximise(self) -> Array:
        bound = BOUND * self._deviation
        result = minimize(
            self,
            self._mean,
            jac=True,
            method="L-BFGS-B",
            bounds=np.stack([self._mean - bound, self._mean + bound], 1),
            options={"maxiter": ITERATIONS},
        )
        return np.asarray(result.x)

    def __call__(self, theta: Array) -> tuple[float, Array]:
        value = {name: np.exp(v) for name, v in self.split(theta).items()}
        n = len(self._y)
        parts = [
            (i, name, d, value["amplitude"][i] * np.exp(-(value[name] @ d)))
            for i, name, d in self._views
        ]
        k = value["weight"] @ self._agreements + sum(part for *_, part in parts)
        noise = value["noise"][0] + JITTER
        factor = cholesky(
            k.reshape(n, n) + noise * np.eye(n), lower=True, overwrite_a=True, check_finite=False
        )
        inverse = cho_solve((factor, True), np.eye(n), overwrite_b=True, check_finite=False)
        alpha = inverse @ self._y
        z = (theta - self._mean) / self._deviation
        # RW 2006 eq. 5.8, without its constant, plus the prior.
        loss = 0.5 * self._y @ alpha + np.log(np.diag(factor)).sum() + 0.5 * z @ z
        # Eq. 5.9: d loss / d theta = tr(g dK / d theta).
        g = (0.5 * (inverse - np.outer(alpha, alpha))).ravel()
        gradient = z / self._deviation
        gradient[self._slices["noise"]] += value["noise"][0] * g[:: n + 1].sum()
        gradient[self._slices["weight"]] += value["weight"] * (self._agreements @ g)
        amplitude = gradient[self._slices["amplitude"]]
        for i, name, d, part in parts:
            weighted = g * part
            amplitude[i] += weighted.sum()
            gradient[self._slices[name]] -= value[name] * (d @ weighted)
        return float(loss), gradient
