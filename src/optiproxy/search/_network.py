"""When the search also consults an ensemble of networks: the second model of ``proxy="auto"``.

Which model predicts better depends on the space and on the number of queries, so that both are
cross-validated on the queries themselves. Two models that err in different places find more than
the better one alone (docs/log.md).
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.mlp import MLPEnsemble
from optiproxy.proxies.ranks import normal_scores
from optiproxy.spaces import Space

# The numbers of queries at the first cross-validation, by how many times as many at the next one,
# and at the last one: that of 2,560 queries would take seconds. With fewer queries than at the
# first one the network delays the search (docs/log.md).
FIRST, FACTOR, LAST = 40, 4, 640
FOLDS = 4
# The places that the network fills, by query number modulo `_batch.CYCLE`, if its cross-validated
# squared error is below that of the Gaussian process, or above it but below `WORSE` times as much.
BETTER_PLACES, USUAL_PLACES = (4, 1), (4,)
WORSE = 1.3

# Results are a function of the first queries, and are kept so that each is computed once a search.
_RESULTS: WeakKeyDictionary[Space, dict[bytes, tuple[int, ...]]] = WeakKeyDictionary()


def network_places(space: Space, p: Tensor, y: Tensor) -> tuple[int, ...]:
    """The places of a batch that the network fills, by query number modulo `_batch.CYCLE`.

    At 40, 160 and 640 queries both models are cross-validated. Metrics are compared as normal
    scores of their ranks, so that a new best value does not change an earlier result.

    Args:
        space: The search space.
        p: (T, C, O), the evaluated architectures.
        y: (T, M), their metrics; the first one decides.
    """
    if len(y) < FIRST:
        return ()
    count = FIRST
    while FACTOR * count <= min(len(y), LAST):
        count *= FACTOR
    p, scores = p[:count], normal_scores(y[:count])
    results = _RESULTS.setdefault(space, {})
    key = p.numpy().tobytes() + scores.numpy().tobytes()
    if key not in results:
        results[key] = _cross_validated(space, p, scores)
    return results[key]


def _cross_validated(space: Space, p: Tensor, y: Tensor) -> tuple[int, ...]:
    folds = torch.arange(len(p)) % FOLDS
    errors = []
    for proxy in (MLPEnsemble(space), GaussianProcess(space)):
        targets = y.to(proxy.dtype)
        predicted = proxy.left_out(p.to(proxy.dtype), targets, folds)
        errors.append(float(((predicted - targets) ** 2)[:, 0].mean()))
    ratio = errors[0] / max(errors[1], 1e-12)
    if ratio >= WORSE:
        return ()
    return BETTER_PLACES if ratio < 1 else USUAL_PLACES
