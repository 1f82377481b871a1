"""The default proxy: a Gaussian process, every other time without knowledge of inactive choices.

With ``proxy="auto"`` the search also consults an ensemble of networks where it predicts well (see
`search._network`).

The process is that of Rasmussen and Williams, https://gaussianprocess.org/gpml; see `gp`.
"""

from __future__ import annotations

from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.kernel import Mixture
from optiproxy.spaces import Space


class Auto(GaussianProcess):
    """A Gaussian process; half of the fits, chosen by the seed, ignore inactive operations.

    With them it predicts far better (see `encodings.ActivePath`) and mostly finds the optimum
    sooner, but may be so sure of one basin that it never leaves it.

    >>> import torch
    >>> from optiproxy.encodings import corners
    >>> from optiproxy.spaces import Chain
    >>> space = Chain({"depth": [1, 2, 3], "width": [16, 32]})
    >>> p = corners(space, torch.from_numpy(space.all_indices), torch.float64)
    >>> proxy = Auto(space)
    >>> proxy.fit(p, torch.tensor([[-1.0], [-1.0], [0.0], [0.0], [1.0], [1.0]]).double())
    >>> mean, spread = proxy.predict(p)
    >>> bool(mean[5] > mean[0])
    True
    """

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed, kernel=Mixture(space, prune_dead=seed % 2 == 0))
