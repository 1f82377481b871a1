"""The interface of all proxies: fit on the queries, then predict a mean and a spread.

A proxy reads choice probabilities ``p`` (B, C, O): corners of the simplex for discrete
architectures, anything between during the gradient ascent. Each proxy chooses its own encoding of
them. Targets are standardised metrics, one column each; all predictions are on their scale.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from optiproxy.spaces import Space


class Proxy(ABC):
    """Learns ``metrics = f(architecture)``.

    In each round the search makes a new one, calls `fit` once, then the others many times.

    Args:
        space: The search space.
        seed: Of the proxy's own randomness (initial weights, dropout).
    """

    #: Number type of ``p`` and of the targets; small Gaussian processes need double precision.
    dtype: torch.dtype = torch.float32
    #: Whether a fit takes about a tenth of a second or less: then batches are small at first.
    quick: bool = True
    #: Whether `mean` and `predict` are differentiable with respect to ``p``. If not (a forest,
    #: boosted trees), the search does not climb: it ranks random draws and neighbours of the best.
    #: Then ``p`` is always at corners of the simplex.
    differentiable: bool = True

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self.space = space
        self.seed = seed

    @abstractmethod
    def fit(self, p: Tensor, y: Tensor) -> None:
        """Fits to architectures p (T, C, O) and standardised metrics y (T, M) without NaN."""

    @abstractmethod
    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread (one standard deviation), each (B, M), of p (B, C, O)."""

    def mean(self, p: Tensor) -> Tensor:
        """The mean alone, (B, M), where that is cheaper; the gradient ascent mostly needs this."""
        return self.predict(p)[0]

    def left_out(self, p: Tensor, y: Tensor, folds: Tensor) -> Tensor:
        """Cross-validated predictions. Call `fit` afterwards.

        Args:
            p: (T, C, O), as for `fit`.
            y: (T, M), as for `fit`.
            folds: (T,), the number of each architecture's fold, from 0.

        Returns:
            (T, M), the predicted mean of each architecture by a fit without its fold.
        """
        out = torch.zeros_like(y)
        for fold in range(int(folds.max()) + 1):
            inside = folds == fold
            other = type(self)(self.space, seed=self.seed)
            other.fit(p[~inside], y[~inside])
            out[inside] = other.mean(p[inside]).detach()
        return out

    def posterior(self, p: Tensor) -> Posterior:
        """The predictions for a fixed list of candidates p (B, C, O); see `Posterior`."""
        with torch.no_grad():
            return Posterior(*self.predict(p))


class Posterior:
    """Predictions for a fixed list of candidates, from which a batch is selected.

    Args:
        mean: (B, M).
        spread: (B, M), one standard deviation.
    """

    def __init__(self, mean: Tensor, spread: Tensor) -> None:
        self.mean = mean
        self.spread = spread

    def condition_on_mean(self, index: int) -> None:
        """Updates the spread as if candidate `index` had been measured at its mean.

        The kriging believer (Ginsbourger et al., 2010): the candidates similar to a pick lose their
        spread, which keeps a batch diverse. The spread of an ensemble can't be updated and stays.
        """
