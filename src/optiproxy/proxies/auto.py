"""The Gaussian process, joined by a network where that one proves itself: the default proxy.

Which model predicts best depends on the space and on how much was measured, so it is asked of the
queries themselves, never of the task: Wolpert, Stacked generalization, 1992, is the idea.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from optiproxy.proxies.base import Beliefs, Proxy
from optiproxy.proxies.gcn import GCNEnsemble
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.mlp import MLPEnsemble
from optiproxy.spaces import Space

NETWORKS: dict[str, type[Proxy]] = {"mlp": MLPEnsemble, "gcn": GCNEnsemble}
# The first look, at so many queries; then whenever there are four times as many: a look costs as
# much as ten rounds of the Gaussian process.
FIRST_LOOK = 20
NEXT_LOOK = 4
FOLDS = 4
# A network's cross-validated squared error must be this much smaller: the Gaussian process is the
# better searcher where they are alike, for it knows what it does not know.
CLEARLY = 0.8
# A graph network takes its time where every architecture has a graph of its own, or a large one:
# 22 vertices cost it 2.5 seconds a round. There it is not asked.
LARGEST_GRAPH = 16
SHARE = 0.5  # of the network, where it joins

# What was found by a look: a function of the first queries, kept so that it costs once a search.
_FOUND: WeakKeyDictionary[Space, dict[bytes, tuple[str, ...]]] = WeakKeyDictionary()


class Auto(Proxy):
    """A Gaussian process, or its mean with a network: whichever predicts the queries better.

    At 20, 80, … queries all are cross-validated on them, for each metric on its own. A network
    whose squared error is below 0.8 of the Gaussian process's joins it by half (a graph network
    where graphs are small and alike). Values are compared
    as normal scores of their ranks, so that a later best does not change an earlier look.

    >>> from optiproxy.encodings import corners
    >>> from optiproxy.spaces import Chain
    >>> space = Chain({"depth": [1, 2, 3], "width": [16, 32]})
    >>> p = corners(space, torch.from_numpy(space.all_indices), torch.float64)
    >>> proxy = Auto(space)
    >>> proxy.fit(p, torch.tensor([[-1.0], [-1.0], [0.0], [0.0], [1.0], [1.0]]).double())
    >>> proxy.joined
    ('',)
    """

    dtype = torch.float64

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._gp = GaussianProcess(space, seed=seed)
        self._networks: dict[str, Proxy] = {}
        #: For each metric the network that joined; empty where none did.
        self.joined: tuple[str, ...] = ()

    def fit(self, p: Tensor, y: Tensor) -> None:
        self._gp.fit(p, y)
        self.joined = _joined(self.space, p, y)
        self._networks = {
            name: NETWORKS[name](self.space, seed=self.seed) for name in set(self.joined) if name
        }
        for network in self._networks.values():
            network.fit(p.to(network.dtype), y.to(network.dtype))

    def predict(self, p: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self._gp.predict(p)
        shift = self._shift(p, mean)
        return mean + shift, (spread**2 + shift**2).sqrt()

    def mean(self, p: Tensor) -> Tensor:
        mean = self._gp.mean(p)
        return mean + self._shift(p, mean)

    def beliefs(self, p: Tensor) -> Beliefs:
        with torch.no_grad():
            beliefs = self._gp.beliefs(p)
            return _Joined(beliefs, self._shift(p, beliefs.mean)) if self._networks else beliefs

    def _shift(self, p: Tensor, mean: Tensor) -> Tensor:
        """What the networks change of the Gaussian process's mean, (B, M)."""
        shift = torch.zeros_like(mean)
        for name, network in self._networks.items():
            theirs = network.mean(p.to(network.dtype)).to(mean.dtype)
            where = torch.tensor([other == name for other in self.joined])
            shift = torch.where(where, SHARE * (theirs - mean), shift)
        return shift


class _Joined(Beliefs):
    """The Gaussian process's beliefs, shifted; where models disagree, less is known.

    The variance of two equally likely means is the square of half their difference: of `shift`.
    """

    def __init__(self, gp: Beliefs, shift: Tensor) -> None:
        self._gp = gp
        self._shift = shift
        super().__init__(gp.mean + shift, (gp.spread**2 + shift**2).sqrt())

    def believe(self, index: int) -> None:
        self._gp.believe(index)
        self.spread = (self._gp.spread**2 + self._shift**2).sqrt()


def _joined(space: Space, p: Tensor, y: Tensor) -> tuple[str, ...]:
    """The network that joins for each metric, by the last look at the queries."""
    if len(y) < FIRST_LOOK:
        return ("",) * y.shape[1]
    look = FIRST_LOOK
    while NEXT_LOOK * look <= len(y):
        look *= NEXT_LOOK
    p, scores = p[:look], _normal_scores(y[:look])
    found = _FOUND.setdefault(space, {})
    key = p.argmax(-1).numpy().tobytes() + scores.numpy().tobytes()
    if key not in found:
        found[key] = _look(space, p, scores)
    return found[key]


def _look(space: Space, p: Tensor, y: Tensor) -> tuple[str, ...]:
    folds = torch.arange(len(p)) % FOLDS
    best = CLEARLY * _error(GaussianProcess(space), p, y, folds)
    names = [""] * y.shape[1]
    graph = space.graph
    slow = graph.adjacency_terms is not None or graph.shape[0] > LARGEST_GRAPH
    for name, network in NETWORKS.items():
        if slow and network is GCNEnsemble:
            continue
        error = _error(network(space), p, y, folds)
        for m in (error < best).nonzero()[:, 0].tolist():
            names[m], best[m] = name, error[m]
    return tuple(names)


def _error(proxy: Proxy, p: Tensor, y: Tensor, folds: Tensor) -> Tensor:
    """Mean squared error of each metric, (M,), of what is predicted without an architecture."""
    p, y = p.to(proxy.dtype), y.to(proxy.dtype)
    return ((proxy.left_out(p, y, folds) - y) ** 2).mean(0).double()


def _normal_scores(y: Tensor) -> Tensor:
    """Ranks (ties share theirs) as quantiles of the normal distribution; (T, M)."""
    below = (y[:, None] > y[None]).sum(1) + 0.5 * (y[:, None] == y[None]).sum(1)
    scores: Tensor = torch.special.ndtri(below / len(y))
    return scores
