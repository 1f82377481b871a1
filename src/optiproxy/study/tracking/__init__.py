"""Searches in experiment trackers: a run for each query, and the study as their parent.

`track` makes a callback for `Study.run` by a tracker's name. A tracker is one file here and one
line, or an entry point of another package in the group ``optiproxy.trackers``: a function of a
target that returns a `base.Tracker`. Its package is imported when it is used.
"""

from __future__ import annotations

from optiproxy.registry import Registry
from optiproxy.study.tracking.base import Logged, Tracker, Tracking

__all__ = ["TRACKERS", "Logged", "Tracker", "Tracking", "track"]

_HERE = "optiproxy.study.tracking"

TRACKERS = Registry(
    "tracker",
    {},
    group="optiproxy.trackers",
    optional={
        "mlflow": (f"{_HERE}.mlflow:MLflow", "mlflow"),
        "tensorboard": (f"{_HERE}.tensorboard:TensorBoard", "tensorboard"),
        "trackio": (f"{_HERE}.runs:trackio", "trackio"),
        "wandb": (f"{_HERE}.runs:wandb", "wandb"),
    },
)


def track(text: str) -> Tracking:
    """A callback that records each query with a tracker.

    >>> study.run(50, callbacks=[track("tensorboard:runs")])  # doctest: +SKIP

    Args:
        text: ``"mlflow"``, ``"tensorboard"``, ``"trackio"`` or ``"wandb"``, and after a colon the
            target: MLflow's folder or address, TensorBoard's folder, the project of the others.

    Raises:
        InvalidValueError: There is no such tracker, or its package is not installed.
    """
    name, colon, target = text.partition(":")
    return Tracking(name, TRACKERS.get(name)(target if colon and target else None))
