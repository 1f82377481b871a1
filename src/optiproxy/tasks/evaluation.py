"""The answer to one query, and the seed that its training gets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, SupportsFloat

from optiproxy.spaces import Architecture

Evaluator = Callable[..., Mapping[str, SupportsFloat] | float]


@dataclass(frozen=True)
class Evaluation:
    """The answer to one query.

    Attributes:
        metrics: What was measured, or None where it failed.
        seconds: How long it took.
        reason: Why it failed.
        kind: The kind of the failure: ``"oom"``, ``"time-limit"``, ``"nan"``, ``"died"``,
            ``"device"``, ``"mistake"`` (a wrong call or return value of the evaluator), or the
            name of the exception's class; empty where it did not fail.
        traceback: The traceback of the evaluator's exception, as Python prints it.
        dropped: Which limit a metric breaks that is known before the training; then the
            architecture was not trained and `metrics` holds what was measured before.
        measured: How a metric was measured, where the evaluator says so: metric → plain values.
        curve: What it reported, (epoch, value) in order.
        stopped: Whether the training was stopped after the last of these.
        known: Of a stopped training, the metrics that were known before it.
        cost: The share of the training that was done when it was stopped; else 1.
        worker: The number of the worker that evaluated it; None in the search's own process.
        device: The accelerator that the worker was given.
        left_out: Names of returned values that were not kept, being no numbers or no metric names.
    """

    metrics: dict[str, float] | None
    seconds: float
    reason: str = ""
    dropped: str = ""
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)
    curve: tuple[tuple[int, float], ...] = ()
    stopped: bool = False
    known: dict[str, float] = field(default_factory=dict)
    cost: float = 1.0
    left_out: tuple[str, ...] = ()
    kind: str = ""
    traceback: str = ""
    worker: int | None = None
    device: str = ""


def repeated_seed(study_seed: int, again: int) -> int:
    """In place of a study's seed, where an architecture is evaluated again: 1 the first time."""
    return study_seed + (again << 32)


def evaluation_seed(study_seed: int, arch: Architecture) -> int:
    """A training's seed, in 0…2^31-1: a function of the study's seed and the architecture."""
    digest = hashlib.sha256(f"{study_seed}:{arch.to_json()}".encode()).digest()
    return int.from_bytes(digest[:4], "little") >> 1
