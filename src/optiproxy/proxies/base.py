"""The proxies' one interface: fit on the queries made so far, predict a mean and a spread.

A proxy reads choice probabilities ``p`` (B, C, O): corners of the simplex where an architecture is
discrete, anything between in the climb. The encoding is the proxy's own affair. Predictions are
differentiable with respect to ``p``. Targets are standardised metrics, one column each; every scale
in here is theirs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from optiproxy.spaces import Space


class Proxy(ABC):
    """Learns ``metrics = f(architecture)``.

    The search makes one for each round: ``fit`` is called once, then ``predict`` many times.

    Args:
        space: The search space.
        seed: Of the proxy's own randomness (initial weights, dropout).
    """

    #: Number type of ``p`` and of the targets; small Gaussian processes want double precision.
    dtype: torch.dtype = torch.float32
    #: Whether a fit takes about a tenth of a second: then the search fits after few queries.
    quick: bool = True

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self.space = space
        self.seed = seed

    @abstractmethod
    def fit(self, p: Tensor, y: Tensor) -> None:
        """Fits to architectures p (T, C, O) and standardised metrics y (T, M), NaN-free."""

    def look(self, p: Tensor, y: Tensor) -> None:  # noqa: B027 (most proxies need not look)
        """Told before `fit`, where that is to learn what a prior leaves of y (T, M), as measured.

        For what a proxy wants to know of the queries themselves; by default nothing.
        """

    @abstractmethod
    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread (one standard deviation), each (B, M), of p (B, C, O)."""

    def mean(self, p: Tensor) -> Tensor:
        """The mean alone, (B, M), where that is cheaper: the climb asks for nothing else."""
        return self.predict(p)[0]

    def left_out(self, p: Tensor, y: Tensor, folds: Tensor) -> Tensor:
        """Cross-validated predictions, which tell how well such a fit goes. `fit` comes after it.

        Args:
            p: (T, C, O), as for `fit`.
            y: (T, M), as for `fit`.
            folds: (T,), the number of each architecture's fold, from 0.

        Returns:
            (T, M), the mean for each architecture by a fit without its fold.
        """
        out = torch.zeros_like(y)
        for fold in range(int(folds.max()) + 1):
            inside = folds == fold
            other = type(self)(self.space, seed=self.seed)
            other.fit(p[~inside], y[~inside])
            out[inside] = other.mean(p[inside]).detach()
        return out

    def beliefs(self, p: Tensor) -> Beliefs:
        """What the proxy thinks of a list of candidates p (B, C, O); see `Beliefs`."""
        with torch.no_grad():
            return Beliefs(*self.predict(p))


class Beliefs:
    """Predictions for a fixed list of candidates, while a batch is being filled from it.

    `believe` takes the mean of one candidate for measured, so that what is like it loses its spread
    and the batch stays diverse. A spread that can't be conditioned (an ensemble's) stays.

    Args:
        mean: (B, M).
        spread: (B, M), one standard deviation.

    Attributes:
        second: (B, M), another model's mean, where the proxy has a second opinion.
        share: Of five places of a batch, how many are ranked by it.
    """

    second: Tensor | None = None
    share: int = 0

    def __init__(self, mean: Tensor, spread: Tensor) -> None:
        self.mean = mean
        self.spread = spread

    def believe(self, index: int) -> None:
        """Conditions the spread of all candidates on candidate `index` at its mean."""
