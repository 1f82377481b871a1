"""What a study returns of its queries, and where the time went."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optiproxy.spaces import Architecture


@dataclass(frozen=True)
class Record:
    """One finished query.

    Attributes:
        query: Its number, from 1, in the order of the results; it never changes.
        architecture: What was evaluated.
        metrics: All that was measured, reported-only metrics included; None if it failed.
        feasible: Whether the constraints hold; False if it failed.
        reason: Why it failed or was stopped, or which limit it breaks if it was dropped untrained;
            else empty.
        seconds: Duration of the evaluation.
        optimizer_seconds: This query's share of the time that the method took to propose it.
        measured: How a metric was measured, if the evaluator reported it: metric → the fields of a
            `hardware.Measurement`.
        epochs: Of a low-fidelity training; None for a full one.
        cost: What it costs of the budget, in full trainings.
        stopped: Whether its training was stopped early, behind the others; it has no metrics.
        predicted: The first objective as the method's model predicted it when it proposed this
            query; None for a method without a model, and for queries that were drawn at random.
        kind: The kind of the failure (``"oom"``, ``"time-limit"``, ``"nan"``, ``"died"``,
            ``"device"``, or the exception's class); empty if it did not fail.
        traceback: The traceback of the evaluator's exception, if it raised one.
        worker: The number of the worker process that evaluated it; None for the search's own.
        device: The accelerator that the worker was given, as ``CUDA_VISIBLE_DEVICES`` names it.
        repeats: What further evaluations of the architecture measured, with other seeds; None for
            one that failed. `metrics` are those of the first one, and `feasible` is of the means.
        curve: What the evaluator reported: (epoch, value of the first objective), in order.
        again: Of a further evaluation itself, as a callback gets it, 1, 2, …; `query` is then that
            of the first.
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
    kind: str = ""
    traceback: str = ""
    worker: int | None = None
    device: str = ""
    repeats: tuple[Mapping[str, float] | None, ...] = ()
    again: int = 0
    curve: Sequence[tuple[int, float]] = ()

    @property
    def results(self) -> tuple[Mapping[str, float] | None, ...]:
        """The metrics of all evaluations, where there were several; else empty."""
        return (self.metrics, *self.repeats) if self.repeats else ()

    def plain(self) -> dict[str, Any]:
        """The record as JSON values: ``--json``, reports and result tables are made from it.

        A failed query has ``failed``, the reason, and empty metrics; one that was dropped untrained
        has ``reason``. Other fields are left out where they do not
        apply; a metric that is not finite is None; `measured` and `curve` are not included.
        """
        optional = {
            "failed": self.reason if self.metrics is None else None,
            "reason": self.reason or None if self.metrics is not None else None,
            "stopped": self.stopped or None,
            "epochs": self.epochs,
            "predicted": self.predicted,
            "kind": self.kind or None,
            "traceback": self.traceback or None,
            "worker": self.worker,
            "device": self.device or None,
            "repeats": [None if m is None else finite(m) for m in self.repeats] or None,
        }
        return {
            "query": self.query,
            "architecture": dict(self.architecture),
            "metrics": finite(self.metrics or {}),
            "feasible": self.feasible,
            "cost": self.cost,
            "seconds": self.seconds,
            "optimizer_seconds": self.optimizer_seconds,
            **{name: value for name, value in optional.items() if value is not None},
        }

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Record:
        """The record that `plain` wrote, its architecture not yet checked against a space.

        Raises:
            KeyError, TypeError, AttributeError: It is something else.
        """
        names = ("query", "feasible", "cost", "seconds", "optimizer_seconds", "stopped", "epochs",
                 "predicted", "kind", "traceback", "worker", "device")  # fmt: skip
        options = dict(plain["architecture"])
        metrics = _read(plain["metrics"])
        return cls(
            architecture=Architecture(tuple(options), tuple(options.values())),
            metrics=None if "failed" in plain else metrics,
            reason=plain.get("failed") or plain.get("reason") or "",
            repeats=tuple(None if m is None else _read(m) for m in plain.get("repeats", ())),
            **{name: plain[name] for name in names if name in plain},
        )


def _read(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in metrics.items()}


def finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Metrics as JSON can hold them: NaN and infinities become None."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


@dataclass(frozen=True)
class Seconds:
    """Time of all sessions: `total`, the method's part of it (`optimizer`), and the evaluations of
    all workers together (`oracle`).
    """

    total: float
    optimizer: float
    oracle: float
