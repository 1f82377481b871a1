"""What a study hands out: its queries, the architectures it found, where the time went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optiproxy.spaces import Architecture

if TYPE_CHECKING:
    from torch import nn

    from optiproxy.tasks import Task


@dataclass(frozen=True)
class Record:
    """One query that is over.

    Attributes:
        query: Its number, from 1, in the order of the proposals.
        architecture: What was evaluated.
        metrics: All that was measured, reported-only metrics included; None where it failed.
        feasible: Whether the constraints hold; False where it failed.
        reason: Why it failed or was stopped, or which limit kept it from being trained; else empty.
        seconds: How long the evaluation took.
        optimizer_seconds: This query's share of the time that the method took to propose it.
        measured: How a metric was measured, where the evaluator told: metric → the fields of a
            `hardware.Measurement`.
        epochs: Of a short training; None for a full one.
        cost: What it counts in the budget: 1 for a full training.
        stopped: Whether its training was stopped early, behind the others; it has no metrics.
        predicted: The first objective as the method's model predicted it when it proposed this
            query; None for a method without a model, and for queries that were drawn at random.
    """

    query: int
    architecture: Architecture
    metrics: Mapping[str, float] | None
    feasible: bool
    reason: str = ""
    seconds: float = 0.0
    optimizer_seconds: float = 0.0
    measured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    epochs: int | None = None
    cost: float = 1.0
    stopped: bool = False
    predicted: float | None = None

    def plain(self) -> dict[str, Any]:
        """The record as values that JSON knows, for the figures and statistics of `report`."""
        return {
            "query": self.query,
            "architecture": dict(self.architecture),
            "metrics": dict(self.metrics or {}),
            "feasible": self.feasible,
            "failed": self.reason,
            "stopped": self.stopped,
            "predicted": self.predicted,
            "epochs": self.epochs,
            "seconds": self.seconds,
            "optimizer_seconds": self.optimizer_seconds,
        }


@dataclass(frozen=True)
class Found:
    """An architecture that a search found, with what was measured of it."""

    query: int
    architecture: Architecture
    metrics: Mapping[str, float]
    task: Task = field(repr=False, compare=False)

    def build(self) -> nn.Module:
        """The untrained network, a plain ``nn.Module``."""
        return self.task.build(self.architecture)

    def __str__(self) -> str:
        return self.task.space.to_text(self.architecture)


@dataclass(frozen=True)
class Seconds:
    """Where the time went: `total` of all sessions, of it `optimizer`; `oracle` of all workers."""

    total: float
    optimizer: float
    oracle: float
