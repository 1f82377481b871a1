"""Scores of many architectures: each network is built once and its scores are remembered.

>>> from optiproxy.scores import NetworkScores
>>> from optiproxy.spaces import NB201_OPERATIONS, Cell
>>> space = Cell(nodes=4, operations=NB201_OPERATIONS)
>>> scores = NetworkScores(space, names=["parameters", "naswot"])
>>> table = scores(space.sample(3))
>>> table.names, table.values.shape
(('parameters', 'naswot'), (3, 2))
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from optiproxy._example_input import positional
from optiproxy.errors import ScoreFailed, invalid, unknown, whole_number
from optiproxy.hardware import materialise
from optiproxy.scores.base import Batch, Input, Score, fixed_randomness
from optiproxy.scores.identity import network_digest, scores_version
from optiproxy.scores.inputs import examples
from optiproxy.scores.registry import AUTO, SCORES
from optiproxy.scores.small import small_network
from optiproxy.spaces import Architecture, Space

_logger = logging.getLogger("optiproxy.scores")

Build = Callable[[Architecture], nn.Module]

# Seconds between two messages of progress.
SAID_EVERY = 1.0
# A score that has failed this often and never succeeded is not tried again.
FAILURES = 3
# A score that is the same for so many different networks is dropped.
CONSTANT = 8


@dataclass(frozen=True)
class ScoreTable:
    """Scores of B architectures.

    Attributes:
        names: S scores that are in use.
        values: (B, S), higher is better; NaN where a score failed or time was up before it.
        notes: Why scores or networks are missing, a sentence each.
        missing: Architectures for which time was up.
        seconds: What this call took.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    notes: tuple[str, ...]
    missing: int
    seconds: float


class NetworkScores:
    """Computes scores of architectures and remembers them by the space's canonical form.

    It is the canonical architecture that is built: parts that change nothing of what the network
    computes are no part of its scores.

    Args:
        space: The search space.
        build: The network of an architecture; by default the space's small one (`small_network`).
        example_input: What the networks are run on: a tensor (B, …) or a tuple of inputs. From a
            single example noise of its shape is drawn. By default that of the small network.
        names: Of `SCORES`, in the order of the columns.
        seed: Of weights and noise. The same seed gives the same scores, in any order.
        known: Where scores are kept: the canonical architecture as JSON → name → score, None where
            it failed. Pass an earlier one to continue it; it is plain data. It belongs to one
            build, input and seed.

    Attributes:
        dropped: Scores that are not in use any more, name → reason.
        seconds: What each score has taken so far, name → seconds; "build" for the networks.

    Raises:
        InvalidValueError: A name is unknown; no score; no build and a space without networks;
            build and input are not given together.
    """

    def __init__(
        self,
        space: Space,
        build: Build | None = None,
        example_input: Input | None = None,
        *,
        names: Sequence[str] = AUTO,
        seed: int = 0,
        known: MutableMapping[str, dict[str, float | None]] | None = None,
    ) -> None:
        if isinstance(names, str) or not names:
            raise invalid("scores: names", names, f"give a list of {', '.join(SCORES.names())}")
        for name in names:
            if name not in SCORES.names():
                raise unknown("scores: names", name, SCORES.names())
        if (build is None) != (example_input is None):
            remedy = "give both, or neither for the small network of a published space"
            raise invalid("scores: build and example_input", (build, example_input), remedy)
        self.space = space
        self.names = tuple(dict.fromkeys(names))
        self.seed = whole_number("scores: seed", seed, 0)
        self.known = {} if known is None else known
        self.dropped: dict[str, str] = {}
        self.seconds = dict.fromkeys(("build", *self.names), 0.0)
        if build is None or example_input is None:
            small = small_network(space)
            build, example_input = small.build, small.example_input
        self._build: Build = build
        self._example = _as_batch(example_input)
        self._batch = examples(self._example, self.seed)
        self._scores: dict[str, Score] = {name: SCORES.get(name) for name in self.names}
        self._reasons: dict[str, str] = {}
        self._same: dict[str, str] = {}  # Digest → the key of the first such network.

    def __call__(
        self, archs: Iterable[Architecture], *, seconds: float | None = None
    ) -> ScoreTable:
        """Scores of `archs`, in their order; what is known costs nothing.

        The logger ``optiproxy.scores`` says each second how far it is.

        Args:
            archs: The most important ones first.
            seconds: No further network is begun after so many; all are scored where None.
        """
        began = time.perf_counter()
        networks = self._canonical(archs)
        keys = [arch.to_json() for arch in networks]
        missing, said = 0, began
        for number, (key, arch) in enumerate(zip(keys, networks, strict=True)):
            if time.perf_counter() - said >= SAID_EVERY:
                said = time.perf_counter()
                _logger.info("scoring untrained networks: %d of %d", number, len(keys))
            if self._complete(key):
                continue
            if seconds is not None and time.perf_counter() - began >= seconds:
                missing += 1
                continue
            self._add(key, arch)
        self._drop_useless()
        names = tuple(name for name in self.names if name not in self.dropped)
        lines = [[self.known.get(key, {}).get(name) for name in names] for key in keys]
        values = np.array(lines, dtype=np.float64).reshape(len(keys), len(names))
        notes = [f"score {name} is not used: {reason}" for name, reason in self.dropped.items()]
        notes += [reason for name, reason in self._reasons.items() if name not in self.dropped]
        return ScoreTable(names, values, tuple(notes), missing, time.perf_counter() - began)

    def keys(self, archs: Iterable[Architecture]) -> list[str]:
        """The keys of `archs` in `known`."""
        return [arch.to_json() for arch in self._canonical(archs)]

    @cached_property
    def version(self) -> str | None:
        """What `known` belongs to, as a hash: scores of another version are other scores; None
        where that can't be said, since the code of the networks is in no file.
        """
        return scores_version(self.space, self._build, self._example, self.seed)

    def _canonical(self, archs: Iterable[Architecture]) -> list[Architecture]:
        return self.space.from_indices(self.space.canonical(self.space.to_indices(archs)))

    def _complete(self, key: str) -> bool:
        scores = self.known.get(key)
        return scores is not None and all(n in scores for n in self.names if n not in self.dropped)

    def _add(self, key: str, arch: Architecture) -> None:
        """Builds a network and computes those of its scores that are not known."""
        scores = self.known.setdefault(key, {})
        wanted = [n for n in self.names if n not in scores and n not in self.dropped]
        began = time.perf_counter()
        try:
            with fixed_randomness(self.seed), torch.inference_mode(False), torch.device("cpu"):
                model = materialise(self._build(arch), self._example)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._reasons.setdefault("build", f"no scores of {arch.to_json()}: build: {reason}")
            scores.update(dict.fromkeys(wanted))
            return
        finally:
            self.seconds["build"] += time.perf_counter() - began
        if self.space.numbers:  # Of which the network may be independent.
            digest = network_digest(model)
            same = self.known[self._same.setdefault(digest, key)] if digest else {}
            scores.update({n: same[n] for n in wanted if n in same})
            wanted = [n for n in wanted if n not in scores]
        for name in wanted:
            began = time.perf_counter()
            try:
                scores[name] = self._scores[name](model, self._batch, seed=self.seed)
            except ScoreFailed as error:
                scores[name] = None
                self._reasons.setdefault(name, f"{error} (first for {arch.to_json()})")
            self.seconds[name] += time.perf_counter() - began
        self._drop_failing(wanted)

    def _drop_failing(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self._reasons:
                column = self._column(name)
                if len(column) >= FAILURES and all(value is None for value in column):
                    self.dropped[name] = self._reasons[name]

    def _drop_useless(self) -> None:
        """Drops scores that are the same for all networks, once they are `CONSTANT` or more."""
        for name in self.names:
            values = [value for value in self._column(name) if value is not None]
            if name not in self.dropped and len(values) >= CONSTANT:
                low, high = min(values), max(values)
                if high - low <= 1e-12 * max(abs(low), abs(high)):
                    reason = f"it is {low:g} for each of {len(values)} networks"
                    self.dropped[name] = reason

    def _column(self, name: str) -> list[float | None]:
        return [scores[name] for scores in self.known.values() if name in scores]


def _as_batch(example: Input) -> Batch:
    batch = positional(example)
    if not batch or not all(isinstance(x, Tensor) and x.ndim for x in batch):
        raise invalid("scores: example_input", type(example).__name__, "give a tensor, or several")
    return batch
