"""Multilayer perceptrons over any encoding, as batched ensembles.

White et al., BANANAS, https://arxiv.org/abs/1910.11858, predict accuracies by an ensemble of plain
networks; Lyu et al., OptiProxy-NAS, https://arxiv.org/abs/2509.05656, climb such a network as one
of their proxies.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from optiproxy import encodings
from optiproxy.encodings.active_path import ActivePath
from optiproxy.encodings.ordinal import Ordinal
from optiproxy.proxies.ensemble import (
    Ensemble,
    Training,
    Weights,
    dropout,
    linear,
    linear_weights,
)
from optiproxy.spaces import Space

HIDDEN = 64
LAYERS = 2
MEMBERS = 5
# More epochs at a lower rate do not rank better (docs/log.md).
TRAINING = Training(epochs=60, learning_rate=8e-3, weight_decay=1e-2)
DROPOUT = 0.1
# Factors of the inputs; counts and levels have another one. Larger inputs are learnt first, and
# what an option contributes on any edge is worth learning first. Numbers may stand for operations,
# which limits the factor of levels (docs/log.md).
INPUT_SCALE = 2.0
COUNT_SCALE = 2.5
LEVEL_SCALE = 2.0


class MLPEnsemble(Ensemble):
    """K multilayer perceptrons, fitted side by side from different initial weights.

    >>> import torch
    >>> from optiproxy.encodings import corners
    >>> from optiproxy.spaces import Chain
    >>> space = Chain({"depth": [1, 2, 3], "width": [16, 32]})
    >>> p = corners(space, torch.from_numpy(space.all_indices))
    >>> proxy = MLPEnsemble(space)
    >>> proxy.fit(p, torch.tensor([[-1.0], [-1.0], [0.0], [0.0], [1.0], [1.0]]))
    >>> mean, spread = proxy.predict(p)
    >>> mean.shape, bool(mean[5] > mean[0])
    (torch.Size([6, 1]), True)

    Inputs are the one-hot encoding without inactive choices (`encodings.ActivePath`), the levels of
    ordered options (`encodings.Ordinal`), and, where choices share their options, how often each
    option is chosen: among all choices, which a latency may depend on, and among the active ones.
    The kernel of the Gaussian process has the same views, see `kernel_views`. The spread is the
    members' standard deviation.
    """

    members = MEMBERS
    training = TRAINING
    #: The only encoding that is read, in a variant such as ``mlp:path``; None for all inputs above.
    encoding: str | None = None

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        alone = self.encoding is not None
        self._encoder = encodings.make(self.encoding or "onehot", space)
        self._shares = _shares(space)
        ordinal = Ordinal(space)
        self._ordinal = ordinal if ordinal.ordered.any() and not alone else None
        self._active = ActivePath(space) if space.zero_options.any() and not alone else None

    def _inputs(self, p: Tensor) -> tuple[Tensor, ...]:
        """Choice probabilities (B, C, O) → (B, features)."""
        if self._active is None:
            parts = [part.flatten(1) for part in self._encoder.relaxed(p)]
            counted = [p] if self.encoding is None else []
        else:
            (active,) = self._active.relaxed(p)
            parts, counted = [active.flatten(1)], [p, active]
        if self._ordinal is not None:
            parts.append(LEVEL_SCALE * self._ordinal.relaxed(p)[0])
        parts += [COUNT_SCALE * (q.mT @ self._shares).flatten(1) for q in counted]
        return (INPUT_SCALE * torch.cat(parts, -1),)

    def _initial(
        self, inputs: tuple[Tensor, ...], metrics: int, generator: torch.Generator
    ) -> Weights:
        weights: Weights = {}
        width = inputs[0].shape[-1]
        for layer in range(LAYERS):
            weights |= linear_weights(f"{layer}", MEMBERS, width, HIDDEN, generator)
            width = HIDDEN
        return weights | linear_weights("out", MEMBERS, width, metrics, generator)

    def _outputs(
        self, weights: Weights, inputs: tuple[Tensor, ...], generator: torch.Generator | None = None
    ) -> Tensor:
        (x,) = inputs
        h = x.expand(MEMBERS, *x.shape)
        for layer in range(LAYERS):
            h = F.relu(linear(weights, f"{layer}", h))
            if generator is not None:
                h = dropout(h, tuple(h.shape), DROPOUT, generator)
        return linear(weights, "out", h)


def _shares(space: Space) -> Tensor:
    """The weight of each choice in the counts of each shared list of options, (C, kinds)."""
    columns = F.one_hot(torch.from_numpy(space.option_groups)).float()
    shared = columns[:, columns.sum(0) > 1]
    # Divided by the root of their number, so that counts vary equally in spaces of any length.
    return shared / shared.sum(0).sqrt()
