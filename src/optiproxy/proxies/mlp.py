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
from optiproxy.encodings.active_path import Living
from optiproxy.encodings.ordinal import Levels
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
# On histories of 30 searches (15, 30 and 55 queries, five tables) 60 epochs rank what was not
# queried as well as 120 at 5e-3 did (0.770, 0.796, 0.837 against 0.773, 0.799, 0.838), in half the
# time.
TRAINING = Training(epochs=60, learning_rate=8e-3, weight_decay=1e-2)
DROPOUT = 0.1
# What the inputs are multiplied by, counts and levels once more. A one-hot moves the first layer
# little where most inputs are zero, and what holds for an option wherever it stands is learnt first
# where it is the loudest input. On histories of NB201 searches (15 to 95 queries) the rank
# correlation with the whole table went from 0.61 (one-hot alone) to 0.73; the path encoding had
# 0.45. (That was before they were told of dead edges: ``benchmarks/experiments/dead_edges.py``.)
# Levels are a little better at 3 or 4 where they are widths and depths, but numbers may stand for
# operations, too: there, at 3, the correlation fell from 0.75 to 0.64.
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

    Inputs are the one-hot encoding, without what is dead (`encodings.living`), the levels of
    options that are numbers (`encodings.levels`), and, where choices share their options, how often
    each option is chosen: among all, which a latency may depend on, and among what is alive. The
    Gaussian process has the same views, see `_views`. The spread is the members' standard
    deviation.
    """

    members = MEMBERS
    training = TRAINING
    #: The encoding that is read; on one alone nothing is read beside it, and dead choices as well.
    encoding = "onehot"
    alone = False

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._encoder = encodings.make(self.encoding, space)
        self._shares = _shares(space)
        levels = Levels(space)
        self._levels = levels if levels.ordered.any() and not self.alone else None
        self._living = Living(space) if space.zero_options.any() and not self.alone else None

    def _inputs(self, p: Tensor) -> tuple[Tensor, ...]:
        """Choice probabilities (B, C, O) → (B, features)."""
        if self._living is None:
            parts = [part.flatten(1) for part in self._encoder.relaxed(p)]
            counted = [] if self.alone else [p]
        else:
            (living,) = self._living.relaxed(p)
            parts, counted = [living.flatten(1)], [p, living]
        if self._levels is not None:
            parts.append(LEVEL_SCALE * self._levels.relaxed(p)[0])
        parts += [COUNT_SCALE * (q.mT @ self._shares).flatten(1) for q in counted]
        return (INPUT_SCALE * torch.cat(parts, -1),)

    def _initial(
        self, inputs: tuple[Tensor, ...], metrics: int, generator: torch.Generator
    ) -> Weights:
        return _initial(inputs[0].shape[-1], metrics, generator)

    def _outputs(
        self, weights: Weights, inputs: tuple[Tensor, ...], generator: torch.Generator | None = None
    ) -> Tensor:
        (x,) = inputs
        return _forward(weights, x, generator)


class OneHotMLP(MLPEnsemble):
    """The same networks on the one-hot encoding alone."""

    alone = True


class AdjacencyMLP(MLPEnsemble):
    """The same networks on the entries of the adjacency matrix and of the vertices' features."""

    encoding = "adjacency"
    alone = True


class PathMLP(MLPEnsemble):
    """The same networks on the path encoding, as BANANAS reads it."""

    encoding = "path"
    alone = True


class LivingMLP(MLPEnsemble):
    """The same networks on the one-hot encoding without what is dead."""

    encoding = "living"
    alone = True


def _shares(space: Space) -> Tensor:
    """For each list of options that several choices share, how much each counts; (C, kinds)."""
    columns = F.one_hot(torch.from_numpy(space.option_groups)).float()
    shared = columns[:, columns.sum(0) > 1]
    # By the root of how many they are, so that a count varies as much in a space of any length.
    return shared / shared.sum(0).sqrt()


def _initial(features: int, metrics: int, generator: torch.Generator) -> Weights:
    weights: Weights = {}
    width = features
    for layer in range(LAYERS):
        weights |= linear_weights(f"{layer}", MEMBERS, width, HIDDEN, generator)
        width = HIDDEN
    return weights | linear_weights("out", MEMBERS, width, metrics, generator)


def _forward(w: Weights, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """x (B, features) → (K, B, M); dropout with a generator."""
    h = x.expand(MEMBERS, *x.shape)
    for layer in range(LAYERS):
        h = F.relu(linear(w, f"{layer}", h))
        if generator is not None:
            h = dropout(h, tuple(h.shape), DROPOUT, generator)
    return linear(w, "out", h)
