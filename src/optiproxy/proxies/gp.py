"""A Gaussian process on the relaxed choices: the proxy for few queries.

Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, https://gaussianprocess.org/gpml:
equations 2.25 and 2.26 (the posterior), 5.8 and 5.9 (the marginal likelihood and its gradient). The
kernel is in `kernel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize
from torch import Tensor

from optiproxy.proxies.base import Posterior, Proxy
from optiproxy.proxies.kernel import Kernel, Mixture
from optiproxy.proxies.kernel_encoded import Encoded
from optiproxy.proxies.kernel_views import Array, Compared
from optiproxy.spaces import Space

T = TypeVar("T")

# Of L-BFGS, which ends where no log parameter changes the penalised log likelihood faster than
# this, mostly within 0.01 of its maximum.
ITERATIONS = 30
SLOPE = 0.05
# With more queries, so many, evenly spaced, determine the hyper-parameters and the calibration; all
# enter the posterior.
LEARNT_FROM = 200
JITTER = 1e-6
# The prior of the calibration: so many queries with errors as large as predicted. Beyond these
# factors of the spread it says more about the fit than about the errors.
CALIBRATION_QUERIES = 3.0
CALIBRATED = 0.2, 1.5

# Each log parameter has a normal prior (mean, deviation), which makes a fit of 20 parameters to 10
# queries possible. The means of most were chosen so that small samples of known tables predict
# the rest of them well (benchmarks/priors.py); targets are standardised. The smooth ones are of
# spaces with numbers of a range or long lists of them (`Space.smooth`): a climb of them pays.
AMPLITUDES = {
    "choices": -0.25,
    "ordinal": -2.5,
    "smooth_ordinal": 0.0,
    "trends": -1.75,
    "options": -1.0,
    "paths": -1.5,
    "counts": 1.0,
    "active_counts": 1.0,
    "pairs": -0.5,
    "routes": -0.5,
    "encoding": -1.0,
    "linear": -1.0,
}
PRIORS = {
    "amplitudes": (-1.0, 1.5),  # the means are those of `AMPLITUDES`
    "noise": (-4.0, 1.5),
    "smooth_noise": (-6.0, 2.0),
    "weights": (-4.25, 1.5),
    "choices": (0.0, 1.2),
    "ordinal": (0.25, 1.5),
    "trends": (-1.0, 1.5),
    "options": (-4.0, 1.5),
    "paths": (0.0, 1.2),
    "counts": (-5.0, 1.5),
    "active_counts": (-3.0, 1.5),
    "pairs": (-3.75, 1.5),
    "routes": (-1.5, 1.5),
    "encoding": (-0.5, 1.5),
    "linear": (-1.0, 1.5),
}
# Priors hold for six choices. More of them share the variance of six: trends, options, distances by
# levels and the additive effects of ordered choices. Those of other choices explain more of it, by
# this power of their number, since the interactions of many choices can't be resolved.
UNIT = 6
SHARING = ("ordinal", "trends", "options")
ADDITIVE = 0.5
BOUND = 5.0  # a log parameter stays within so many deviations of its prior


@dataclass(frozen=True)
class _Fit:
    """The fitted processes of M metrics."""

    weights: Tensor  # (M, C)
    amplitudes: Tensor  # (M, views)
    scales: list[Tensor]  # for each view (M, size)
    noise: Tensor  # (M,)
    factor: Tensor  # (M, T, T), lower Cholesky factors of K + noise
    alpha: Tensor  # (M, T), (K + noise)^-1 y
    y: Tensor  # (T, M)
    calibration: Tensor  # (M,), the factor of all variances

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

    Hyper-parameters maximise the penalised marginal likelihood, by L-BFGS from the prior's centre:
    a fit depends on the data alone, not on the previous round.

    Args:
        space: The search space.
        seed: Unused; a fit is deterministic.
        kernel: By default `Mixture`, or that of the `encoding`.
    """

    dtype = torch.float64
    #: The only encoding that is read, in a variant such as ``gp:path``; None for the whole mixture.
    encoding: str | None = None

    def __init__(self, space: Space, *, seed: int = 0, kernel: Kernel | None = None) -> None:
        super().__init__(space, seed=seed)
        if kernel is None:
            kernel = Encoded(space, self.encoding) if self.encoding else Mixture(space)
        self._kernel = kernel
        self._train: tuple[Any, ...] = ()
        self._state: _Fit | None = None
        #: (M,), the penalised log marginal likelihood of each metric, by which fits are compared.
        self.evidence = torch.zeros(0, dtype=self.dtype)

    def fit(self, p: Tensor, y: Tensor) -> None:
        features = self._kernel.features(p)
        self._train = self._kernel.known(features)
        some = _evenly(len(p))
        views, agreements = self._kernel.compared(p[some])
        evidence, fitted = [], []
        for metric in y[some].numpy().T:
            likelihood = _Likelihood(self._kernel, views, agreements, metric)
            theta, value = likelihood.maximise()
            evidence.append(value)
            fitted.append(likelihood.split(theta))
        self.evidence = torch.tensor(evidence, dtype=self.dtype)
        self._state = self._fit_of(fitted, features, y)

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        features = self._kernel.features(p)
        mean, variance, _ = self._conditional(features)
        return mean, (variance * self._fitted.calibration).clamp(min=JITTER).sqrt()

    def mean(self, p: Tensor) -> Tensor:
        post = self._fitted
        k = self._kernel.cross(*post.parameters, self._kernel.features(p), self._train)
        return (k @ post.alpha[:, :, None])[:, :, 0].T

    def posterior(self, p: Tensor) -> Posterior:
        with torch.no_grad():
            return _Conditioned(self, self._kernel.features(p))

    def left_out(self, p: Tensor, y: Tensor, folds: Tensor) -> Tensor:
        """In closed form, with the hyper-parameters of the fit to all data, RW 2006 eq. 5.12.

        The proxy stays fitted to all data.
        """
        self.fit(p, y)
        post = self._fitted
        inverse = torch.cholesky_inverse(post.factor)
        error = torch.zeros_like(post.alpha)
        for fold in range(int(folds.max()) + 1):
            inside = folds == fold
            error[:, inside] = torch.linalg.solve(
                inverse[:, inside][:, :, inside], post.alpha[:, inside]
            )
        return post.y - error.T

    @property
    def _fitted(self) -> _Fit:
        assert self._state is not None, "fit comes before predict"
        return self._state

    def _fit_of(
        self, fitted: list[dict[str, Array]], features: tuple[Tensor, ...], y: Tensor
    ) -> _Fit:
        def stacked(name: str) -> Tensor:
            return torch.from_numpy(np.exp(np.stack([one[name] for one in fitted])))

        scales = [stacked(view.name) for view in self._kernel.views]
        noise = stacked("noise")[:, 0] + JITTER
        parameters = stacked("weights"), stacked("amplitudes"), scales
        k = self._kernel.cross(*parameters, features, self._train)
        k.diagonal(dim1=1, dim2=2).add_(noise[:, None])
        factor = torch.linalg.cholesky(k)
        alpha = torch.cholesky_solve(y.T[:, :, None], factor)[:, :, 0]
        return _Fit(*parameters, noise, factor, alpha, y, _calibration(factor, alpha))

    def _conditional(self, features: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Means and variances (B, M), and the whitened cross-covariances (M, T, B).

        The sums of squares of the latter are the reduction of the variance by the data.
        """
        post = self._fitted
        k = self._kernel.cross(*post.parameters, features, self._train)
        whitened = torch.linalg.solve_triangular(post.factor, k.mT, upper=False)
        prior = self._kernel.diagonal(*post.parameters, features)
        mean = (k @ post.alpha[:, :, None])[:, :, 0]
        return mean.T, (prior - (whitened**2).sum(1)).T, whitened


class _Conditioned(Posterior):
    """A posterior whose variances are updated by rank one: RW 2006 eq. 2.26 for one point."""

    def __init__(self, gp: GaussianProcess, features: tuple[Tensor, ...]) -> None:
        self._kernel, self._post = gp._kernel, gp._fitted
        self._features = features
        mean, self._variance, self._whitened = gp._conditional(features)
        super().__init__(mean, self._calibrated())

    def condition_on_mean(self, index: int) -> None:
        one = self._kernel.known(tuple(f[index, None] for f in self._features))
        prior = self._kernel.cross(*self._post.parameters, self._features, one)[:, :, 0]
        shared = (self._whitened[:, None, :, index] @ self._whitened)[:, 0]
        covariance = prior - shared  # (M, B)
        spread = covariance[:, index, None].clamp(min=JITTER) + self._post.noise[:, None]
        row = covariance / spread.sqrt()
        self._whitened = torch.cat([self._whitened, row[:, None]], 1)
        self._variance = self._variance - (row**2).T
        self.spread = self._calibrated()

    def _calibrated(self) -> Tensor:
        return (self._variance * self._post.calibration).clamp(min=JITTER).sqrt()


def _calibration(factor: Tensor, alpha: Tensor) -> Tensor:
    """The mean squared standardised leave-one-out error, (M,): RW 2006 eq. 5.12.

    Fits to few queries of many choices are underconfident: their spread is multiplied by the root.

    Args:
        factor: (M, T, T), lower Cholesky factors of the covariance.
        alpha: (M, T), the inverse covariance times the targets.
    """
    some = torch.from_numpy(_evenly(alpha.shape[1]))
    columns = torch.eye(alpha.shape[1], dtype=alpha.dtype)[:, some]
    whitened = torch.linalg.solve_triangular(
        factor, columns.expand(len(alpha), -1, -1), upper=False
    )
    precision = (whitened**2).sum(1)  # of those queries alone: the diagonal of the inverse
    squares: Tensor = (alpha[:, some] ** 2 / precision).sum(1) + CALIBRATION_QUERIES
    least, most = CALIBRATED
    return (squares / (len(some) + CALIBRATION_QUERIES)).clamp(least**2, most**2)


def _evenly(n: int) -> NDArray[np.int64]:
    """Up to `LEARNT_FROM` of `n` queries, evenly spaced."""
    return np.linspace(0, n - 1, min(n, LEARNT_FROM)).round().astype(np.int64)


class _Likelihood:
    """Penalised negative log marginal likelihood of one metric, with its gradient, in numpy.

    Of the symmetric matrices it uses the lower triangles: P = T (T + 1) / 2 pairs, row by row.

    Args:
        kernel: The kernel whose parameters are fitted.
        views: The kernel's views of the pairs.
        agreements: (C, P), of the pairs.
        y: (T,), the standardised metric.
    """

    def __init__(self, kernel: Kernel, views: list[Compared], agreements: Array, y: Array) -> None:
        sizes = {"amplitudes": len(kernel.views), "noise": 1, "weights": kernel.choices}
        sizes |= {view.name: view.size for view in kernel.views}
        ends = np.cumsum(list(sizes.values())).tolist()
        self._slices = {
            name: slice(end - size, end)
            for (name, size), end in zip(sizes.items(), ends, strict=True)
        }
        priors = np.array(
            [_prior(PRIORS, kernel, name) for name, size in sizes.items() for _ in range(size)]
        )
        self._mean, self._deviation = priors.T.copy()
        amplitudes = self._mean[self._slices["amplitudes"]]
        amplitudes[:] = [_prior(AMPLITUDES, kernel, view.name) for view in kernel.views]
        for name in SHARING:
            if sizes.get(name):
                self._mean[self._slices[name]] -= np.log(sizes[name] / UNIT)
        power = np.where(kernel.ordered, -1.0, ADDITIVE)
        self._mean[self._slices["weights"]] += power * np.log(max(kernel.choices, 1) / UNIT)
        self._views = [(v.name, at) for v, at in zip(kernel.views, views, strict=True)]
        self._agreements = agreements
        self._y = y
        self._pairs = np.tril_indices(len(y))
        self._diagonal = self._pairs[0] == self._pairs[1]

    def split(self, theta: Array) -> dict[str, Array]:
        return {name: theta[where] for name, where in self._slices.items()}

    def maximise(self) -> tuple[Array, float]:
        """The log parameters that maximise the penalised likelihood, and its logarithm there."""
        bound = BOUND * self._deviation
        result = minimize(
            self,
            self._mean,
            jac=True,
            method="L-BFGS-B",
            bounds=np.stack([self._mean - bound, self._mean + bound], 1),
            options={"maxiter": ITERATIONS, "gtol": SLOPE},
        )
        return np.asarray(result.x), -float(result.fun)

    def __call__(self, theta: Array) -> tuple[float, Array]:
        value = {name: np.exp(v) for name, v in self.split(theta).items()}
        n = len(self._y)
        terms = [at(value[name]) for name, at in self._views]
        noise = value["noise"][0] + JITTER
        k = np.zeros((n, n))
        k[self._pairs] = value["weights"] @ self._agreements + sum(
            amplitude * term
            for amplitude, (term, _) in zip(value["amplitudes"], terms, strict=True)
        )
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
        g[self._diagonal] *= 0.5  # entries off the diagonal occur twice in the matrix
        gradient = z / self._deviation
        gradient[self._slices["noise"]] += value["noise"][0] * g[self._diagonal].sum()
        gradient[self._slices["weights"]] += value["weights"] * (self._agreements @ g)
        amplitudes = gradient[self._slices["amplitudes"]]
        for i, ((name, _), (term, back)) in enumerate(zip(self._views, terms, strict=True)):
            weighted = value["amplitudes"][i] * g
            amplitudes[i] += weighted @ term
            gradient[self._slices[name]] += value[name] * back(weighted)
        return float(loss), gradient


def _prior(table: Mapping[str, T], kernel: Kernel, name: str) -> T:
    smooth = f"smooth_{name}"
    return table[smooth if kernel.smooth and smooth in table else name]
