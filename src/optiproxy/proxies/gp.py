"""A Gaussian process on the relaxed choices: the proxy for few queries.

Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006: equations 2.25 and 2.26 (the
posterior), 5.8 and 5.9 (the marginal likelihood and its gradient). The kernel is in `_kernel`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize
from torch import Tensor

from optiproxy.proxies._kernel import VIEWS, Array, Kernel
from optiproxy.proxies.base import Beliefs, Proxy
from optiproxy.spaces import Space

ITERATIONS = 30  # of L-BFGS; the penalised likelihood hardly moves after these
# Of more queries, so many, evenly spaced, teach the hyper-parameters; all of them the posterior.
LEARNT_FROM = 200
JITTER = 1e-6

# Each log parameter has a normal prior (mean, deviation), which keeps 20 parameters in place where
# there are 10 queries. Targets are standardised, so amplitudes of e^-1 add up to about one.
PRIORS = {
    "amplitudes": (-1.0, 1.5),
    "noise": (-4.0, 1.5),
    "weights": (-2.0, 1.5),
    "choices": (-1.0, 1.2),
    "paths": (-1.0, 1.2),
    "counts": (-2.0, 1.5),
    "pairs": (-2.0, 1.5),
    "routes": (-1.5, 1.5),
}
WEIGHT_UNIT = 6  # choices; the additive effects of more share the same variance
BOUND = 5.0  # a log parameter stays within so many deviations of its prior


@dataclass(frozen=True)
class _Posterior:
    """One metric: what is needed to predict it."""

    weights: Tensor
    amplitudes: Tensor
    scales: list[Tensor]
    noise: float
    factor: Tensor  # (T, T), lower Cholesky factor of K + noise
    alpha: Tensor  # (T,), (K + noise)^-1 y
    y: Tensor  # (T,)

    @property
    def parameters(self) -> tuple[Tensor, Tensor, list[Tensor]]:
        return self.weights, self.amplitudes, self.scales


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

    def __init__(self, space: Space, *, seed: int = 0, views: Collection[str] = VIEWS) -> None:
        super().__init__(space, seed=seed)
        self._kernel = Kernel(space, views)
        self._train: tuple[Tensor, ...] = ()
        self._posteriors: list[_Posterior] = []
        #: (M,), the penalised log marginal likelihood of each metric; what fits are compared by.
        self.evidence = torch.zeros(0, dtype=self.dtype)

    def fit(self, p: Tensor, y: Tensor) -> None:
        self._train = self._kernel.features(p)
        some = np.linspace(0, len(p) - 1, min(len(p), LEARNT_FROM)).round().astype(int)
        distances, agreements = self._kernel.distances(p[some])
        evidence = []
        self._posteriors = []
        for metric in y.T:
            likelihood = _Likelihood(self._kernel, distances, agreements, metric[some].numpy())
            theta, value = likelihood.maximise()
            evidence.append(value)
            self._posteriors.append(self._posterior(likelihood.split(theta), metric))
        self.evidence = torch.tensor(evidence, dtype=self.dtype)

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        features = self._kernel.features(p)
        means, spreads = [], []
        for posterior in self._posteriors:
            k, solved = self._cross(posterior, features)
            variance = self._diagonal(posterior, features) - (solved**2).sum(0)
            means.append(k @ posterior.alpha)
            spreads.append(variance.clamp(min=JITTER).sqrt())
        return torch.stack(means, 1), torch.stack(spreads, 1)

    def mean(self, p: Tensor) -> Tensor:
        features = self._kernel.features(p)
        return torch.stack(
            [
                self._kernel.cross(*post.parameters, features, self._train) @ post.alpha
                for post in self._posteriors
            ],
            1,
        )

    def beliefs(self, p: Tensor) -> Beliefs:
        with torch.no_grad():
            return _Conditioned(self, self._kernel.features(p))

    def left_out(self, p: Tensor, y: Tensor, folds: Tensor) -> Tensor:
        """In closed form, with the hyper-parameters of the fit to all, which it leaves behind.

        RW 2006 eq. 5.12.
        """
        self.fit(p, y)
        columns = []
        for post in self._posteriors:
            inverse = torch.cholesky_inverse(post.factor)
            error = torch.zeros_like(post.alpha)
            for fold in range(int(folds.max()) + 1):
                inside = folds == fold
                error[inside] = torch.linalg.solve(inverse[inside][:, inside], post.alpha[inside])
            columns.append(post.y - error)
        return torch.stack(columns, 1)

    def _posterior(self, fitted: dict[str, Array], y: Tensor) -> _Posterior:
        split = {name: torch.from_numpy(np.exp(v)) for name, v in fitted.items()}
        scales = [split[view.name] for view in self._kernel.views]
        noise = float(split["noise"]) + JITTER
        parameters = split["weights"], split["amplitudes"], scales
        k = self._kernel.cross(*parameters, self._train, self._train)
        factor = torch.linalg.cholesky(k + noise * torch.eye(len(y), dtype=k.dtype))
        alpha = torch.cholesky_solve(y[:, None], factor)[:, 0]
        return _Posterior(*parameters, noise, factor, alpha, y)

    def _cross(self, post: _Posterior, features: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """k (B, T) and the whitened (T, B), whose squares are the variance that data takes away."""
        assert self._train, "fit comes before predict"
        k = self._kernel.cross(*post.parameters, features, self._train)
        return k, torch.linalg.solve_triangular(post.factor, k.T, upper=False)

    def _diagonal(self, post: _Posterior, features: tuple[Tensor, ...]) -> Tensor:
        return self._kernel.diagonal(*post.parameters, features)


class _Conditioned(Beliefs):
    """Beliefs whose variances are updated by rank one, RW 2006 eq. 2.26 applied to one point."""

    def __init__(self, gp: GaussianProcess, features: tuple[Tensor, ...]) -> None:
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
        one = tuple(f[index, None] for f in self._features)
        for m, post in enumerate(self._gp._posteriors):
            prior = self._gp._kernel.cross(*post.parameters, one, self._features)[0]
            covariance = prior - self._whitened[m][:, index] @ self._whitened[m]  # (B,)
            row = covariance / (covariance[index].clamp(min=JITTER) + post.noise).sqrt()
            self._whitened[m] = torch.cat([self._whitened[m], row[None]])
            self._variance[:, m] -= row**2
        self.spread = self._variance.clamp(min=JITTER).sqrt()


class _Likelihood:
    """Penalised negative log marginal likelihood of one metric, with its gradient, in numpy.

    Matrices are symmetric, so their lower triangles do: P = T (T + 1) / 2 pairs, row by row.

    Args:
        kernel: Whose parameters are fitted.
        distances: For each view (size, P, R).
        agreements: (C, P).
        y: (T,), the metric, standardised.
    """

    def __init__(self, kernel: Kernel, distances: list[Array], agreements: Array, y: Array) -> None:
        sizes = {"amplitudes": len(kernel.views), "noise": 1, "weights": kernel.choices}
        sizes |= {view.name: view.size for view in kernel.views}
        ends = np.cumsum(list(sizes.values())).tolist()
        self._slices = {
            name: slice(end - size, end)
            for (name, size), end in zip(sizes.items(), ends, strict=True)
        }
        priors = np.array([PRIORS[name] for name, size in sizes.items() for _ in range(size)])
        self._mean, self._deviation = priors.T.copy()
        self._mean[self._slices["weights"]] -= np.log(kernel.choices / WEIGHT_UNIT)
        self._views = [(v.name, d) for v, d in zip(kernel.views, distances, strict=True)]
        self._agreements = agreements
        self._y = y
        self._pairs = np.tril_indices(len(y))
        self._diagonal = self._pairs[0] == self._pairs[1]

    def split(self, theta: Array) -> dict[str, Array]:
        return {name: theta[where] for name, where in self._slices.items()}

    def maximise(self) -> tuple[Array, float]:
        """The log parameters of largest penalised likelihood, and its logarithm there."""
        bound = BOUND * self._deviation
        result = minimize(
            self,
            self._mean,
            jac=True,
            method="L-BFGS-B",
            bounds=np.stack([self._mean - bound, self._mean + bound], 1),
            options={"maxiter": ITERATIONS},
        )
        return np.asarray(result.x), -float(result.fun)

    def __call__(self, theta: Array) -> tuple[float, Array]:
        value = {name: np.exp(v) for name, v in self.split(theta).items()}
        n = len(self._y)
        terms = [  # (P, R) for each view
            amplitude * np.exp(-np.tensordot(value[name], d, 1)) / d.shape[2]
            for (name, d), amplitude in zip(self._views, value["amplitudes"], strict=True)
        ]
        noise = value["noise"][0] + JITTER
        k = np.zeros((n, n))
        k[self._pairs] = value["weights"] @ self._agreements + sum(term.sum(1) for term in terms)
        k[np.diag_indices(n)] += noise
        factor = cholesky(k, lower=True, overwrite_a=True, check_finite=False)
        inverse, _ = dpotri(factor, lower=True)  # its lower triangle
        alpha = cho_solve((factor, True), self._y, check_finite=False)
        z = (theta - self._mean) / self._deviation
        # RW 2006 eq. 5.8, without its constant, plus the prior.
        loss = 0.5 * self._y @ alpha + np.log(np.diag(factor)).sum() + 0.5 * z @ z
        # Eq. 5.9: d loss / d theta = tr(g dK / d theta).
        first, second = self._pairs
        g = inverse[self._pairs] - alpha[first] * alpha[second]
        g[self._diagonal] *= 0.5  # what is off the diagonal stands in the matrix twice
        gradient = z / self._deviation
        gradient[self._slices["noise"]] += value["noise"][0] * g[self._diagonal].sum()
        gradient[self._slices["weights"]] += value["weights"] * (self._agreements @ g)
        amplitudes = gradient[self._slices["amplitudes"]]
        for i, ((name, d), term) in enumerate(zip(self._views, terms, strict=True)):
            weighted = (g[:, None] * term).ravel()
            amplitudes[i] += weighted.sum()
            gradient[self._slices[name]] -= value[name] * (d.reshape(len(d), -1) @ weighted)
        return float(loss), gradient
