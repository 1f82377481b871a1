"""Spaces, evaluators and methods for the tests of studies; imported by worker processes too."""

from __future__ import annotations

import hashlib
import math
import os
import signal
import time
from functools import cached_property
from pathlib import Path

import numpy as np

import optiproxy as op
from optiproxy.methods import METHODS
from optiproxy.search import Optimizer
from optiproxy.spaces.architecture import Indices

SPACE = op.spaces.Chain(
    {
        "depth": [1, 2, 3, 4],
        "width": [8, 16, 24, 32],
        "norm": [None, "batch", "layer"],
        "skip": [True, False],
    }
)


class Climber(Optimizer):
    """Proposes neighbours of the best architectures so far: the history decides."""

    batch_size = 3

    def _propose(self, n: int, rng: np.random.Generator) -> Indices:
        if not self._queries:
            return self.random_new(n, rng)
        scores = self.scores()
        best = self.rows[np.flatnonzero(scores == scores.max())]
        # What is pending counts too, so that a history told without it would be found out.
        rng.integers(0, 2, size=len(self._pending))
        near = rng.permutation(self.space.neighbour_indices(best))
        near = near[self.is_new(near)][:n]
        for row in near:
            self._known.add(row.tobytes())
        rest = self.random_new(n - len(near), rng) if len(near) < n else near[:0]
        return np.concatenate([near, rest])


METHODS.register("climber", "study_toys:Climber")


def score(arch: op.Architecture, seed: int = 0) -> float:
    """A number in 0…1 that looks like noise, and is a function of its arguments."""
    digest = hashlib.sha256(f"{seed}:{arch.to_json()}".encode()).digest()
    return int.from_bytes(digest[:6], "little") / 2**48


def plain(arch: op.Architecture, seed: int) -> dict[str, float]:
    return {"val": score(arch, seed), "test": score(arch, seed + 1), "cost": float(arch["width"])}


def slow(arch: op.Architecture, seed: int) -> dict[str, float]:
    """Says that it has begun, in the file of the environment, then takes its time."""
    log = Path(os.environ["TOY_LOG"])
    with log.open("a") as file:
        file.write(arch.to_json() + "\n")
    time.sleep(float(os.environ.get("TOY_SECONDS", "0.02")))
    return plain(arch, seed)


def moody(arch: op.Architecture) -> dict[str, float]:
    """Raises for one norm, gives NaN for another."""
    if arch["norm"] == "batch":
        raise RuntimeError("out of memory")
    return {"val": math.nan if arch["norm"] == "layer" else score(arch), "test": 0.0}


def deadly(arch: op.Architecture) -> dict[str, float]:
    """Ends its process for one width, as a segmentation fault would."""
    if arch["width"] == 32:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return {"val": score(arch)}


def task(evaluate=plain, **options) -> op.Task:
    options.setdefault("objectives", {"val": "max"})
    return op.Task("toy", SPACE, evaluate, reported=["test"], **options)


slow_task = task(slow, noise="none")  # Not repeated: the tests count its queries.


class Known(op.Task):
    """A task whose optimum is known."""

    @cached_property
    def optimum(self):
        return max(self.query(a).metrics["val"] for a in SPACE.enumerate())


def known(name: str = "known", evaluate=None) -> Known:
    evaluate = evaluate or (lambda arch: {"val": score(arch), "test": score(arch, 1)})
    return Known(name, SPACE, evaluate, objectives={"val": "max"}, reported=["test"])


class Modelled(Climber):
    """Says what it believes of its proposals, once it has been told something."""

    def predictions(self, archs):
        return [score(arch) / 2 for arch in archs] if self._queries else None


METHODS.register("modelled", "study_toys:Modelled")
