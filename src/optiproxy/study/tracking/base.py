"""What a tracker is given, whichever it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from optiproxy._version import __version__
from optiproxy.errors import StudyError
from optiproxy.study.records import Record

if TYPE_CHECKING:
    from optiproxy.study.study import Study

_logger = logging.getLogger("optiproxy.study")


@dataclass(frozen=True)
class Logged:
    """One query as a run.

    Attributes:
        query: Its number.
        name: Of the run.
        params: The choices, name → option.
        metrics: What was measured, and of the search itself ``optiproxy/seconds`` and so on; empty
            of what was measured if it failed.
        tags: ``feasible``, and of a failure ``kind`` and ``reason``.
        failed: Whether it failed.
        traceback: Of the evaluator's exception; empty if it raised none.
        curve: The learning curve of the first objective: (epoch, value).
        curve_name: The metric's name.
        seconds: How long the evaluation took.
        folder: What the evaluator kept of it, if anything.
        best: The study's best so far by the first objective, ``{"best/METRIC": value}``; empty
            before there is one.
    """

    query: int
    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    failed: bool = False
    traceback: str = ""
    curve: Sequence[tuple[int, float]] = ()
    curve_name: str = ""
    seconds: float = 0.0
    folder: Path | None = None
    best: Mapping[str, float] = field(default_factory=dict)


class Tracker(Protocol):
    """Writes runs; it knows neither studies nor storages."""

    def begin(self, study: str, params: Mapping[str, Any]) -> None:
        """Opens the parent of the runs, again if an earlier run of the study made it."""

    def query(self, logged: Logged) -> None:
        """Writes a run, and the best so far to its parent."""

    def end(self, best: Mapping[str, Any]) -> None:
        """Closes the parent.

        Args:
            best: The choices of the best architecture; empty where there is none.
        """


class Tracking:
    """The callback of a tracker: it turns queries to runs.

    A tracker that can't be reached at the start ends the search before its first query; what it
    can't write later is left out with a warning, for a search is worth more than its log.

    Args:
        name: The tracker's, for messages.
        tracker: What writes.
    """

    def __init__(self, name: str, tracker: Tracker) -> None:
        self._name = name
        self._tracker = tracker
        self._study: Study | None = None

    def begin(self, study: Study) -> None:
        """Opens the parent run.

        Raises:
            StudyError: The tracker can't be used; the message says why.
        """
        self._study = study
        task = study.task
        params = {
            "task": task.name,
            "method": study.method,
            "proxy": study.proxy or "",
            "seed": study.seed,
            "objectives": ", ".join(o.text for o in task.objectives),
            "constraints": ", ".join(c.text for c in task.constraints),
            "storage": study.place,
            "optiproxy": __version__,
        }
        try:
            self._tracker.begin(study.name, params)
        except Exception as error:
            raise StudyError(f"tracker {self._name!r}: {_said(error)}") from error

    def __call__(self, record: Record) -> None:
        """Writes a query."""
        assert self._study is not None
        try:
            self._tracker.query(_logged(self._study, record))
        except Exception as error:
            _logger.warning(
                "tracker %r: query %d is left out: %s", self._name, record.query, _said(error)
            )

    def end(self, study: Study) -> None:
        """Closes the parent run."""
        best = study.best
        try:
            self._tracker.end({} if best is None else dict(best.architecture))
        except Exception as error:
            _logger.warning("tracker %r: %s", self._name, _said(error))


def _logged(study: Study, record: Record) -> Logged:
    objective = study.task.objectives[0].metric
    best = study.best
    own = {"seconds": record.seconds, "optimizer_seconds": record.optimizer_seconds}
    if record.predicted is not None:
        own["predicted"] = record.predicted
    tags = {"feasible": str(record.feasible).lower()}
    if record.epochs is not None:
        tags["epochs"] = str(record.epochs)
    if record.metrics is None:
        tags |= {"kind": record.kind or "stopped", "reason": record.reason}
    return Logged(
        query=record.query,
        name=f"query-{record.query:04d}" + (f"-again-{record.again}" if record.again else ""),
        params=dict(record.architecture),
        metrics={**(record.metrics or {}), **{f"optiproxy/{n}": v for n, v in own.items()}},
        tags=tags,
        failed=record.metrics is None and not record.stopped,
        traceback=record.traceback,
        curve=record.curve,
        curve_name=f"curve/{objective}",
        seconds=record.seconds,
        folder=study.folder(record.query),
        best={} if best is None else {f"best/{objective}": best.metrics[objective]},
    )


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
