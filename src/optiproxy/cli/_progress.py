"""Progress on standard error: a bar on a terminal, else a line from time to time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from optiproxy.cli._say import escaped
from optiproxy.study import Record, Study

# Without a bar: at most so many lines in all, at least so many seconds apart.
_LINES = 10
_PAUSE = 5.0

_SCORES = logging.getLogger("optiproxy.scores")


class SearchProgress:
    """Shows a study's progress while it is entered; call it with each record.

    Args:
        study: What is run.
        budget: How many queries it has in the end.
    """

    def __init__(self, study: Study, budget: int) -> None:
        self._console = Console(stderr=True)
        self._study = study
        self._objective = study.task.objectives[0]
        self._low = study.task.low_fidelity
        self._budget = budget
        records = study.queries
        self._done = study.spent
        self._stopped = sum(r.stopped for r in records)
        self._failed = sum(r.metrics is None for r in records) - self._stopped
        best = study.best
        self._best = None if best is None else best.metrics[self._objective.metric]
        self._printed = (self._done, time.monotonic())
        self._start = time.monotonic(), self._done
        self._notes = _Messages(logging.WARNING, lambda text: self._print(f"note: {escape(text)}"))
        self._scoring = _Messages(logging.INFO, self.say)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._row = self._bar.add_task(self._text(), total=budget)
        self._bar.update(self._row, completed=self._done)

    def __enter__(self) -> SearchProgress:
        logging.getLogger("optiproxy").addHandler(self._notes)
        _SCORES.setLevel(logging.INFO)
        _SCORES.addHandler(self._scoring)
        self._bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.stop()
        logging.getLogger("optiproxy").removeHandler(self._notes)
        _SCORES.removeHandler(self._scoring)
        _SCORES.setLevel(logging.NOTSET)

    def __call__(self, record: Record) -> None:
        # Queries of other workers count too, if there can be any.
        alone = self._study.storage is None
        self._done = self._done + record.cost if alone else self._study.spent
        if record.stopped:
            self._stopped += 1
        elif record.metrics is None:
            self._failed += 1
        elif record.feasible and record.epochs is None and not record.again:
            value, sign = record.metrics[self._objective.metric], self._objective.sign
            if self._best is None or sign * value > sign * self._best:
                self._best = value
        self._bar.update(self._row, completed=self._done, description=self._text())
        if not self._console.is_terminal:
            self._line()

    def say(self, text: str) -> None:
        """Shows what is done between two queries."""
        self._bar.update(self._row, description=escape(text))
        if not self._console.is_terminal and time.monotonic() - self._printed[1] >= _PAUSE:
            self._printed = self._printed[0], time.monotonic()
            self._print(text)

    def _print(self, text: str) -> None:
        """Above the bar, where there is one."""
        self._console.print(escaped(text), highlight=False, soft_wrap=True)

    def _text(self) -> str:
        best = "–" if self._best is None else f"{self._best:.6g}"
        stopped = f", {self._stopped} stopped early" if self._stopped else ""
        failed = f", {self._failed} failed" if self._failed else ""
        return escape(f"best {self._objective.metric} {best}{stopped}{failed}")

    def _line(self) -> None:
        done, then = self._printed
        now = time.monotonic()
        enough = self._done - done >= self._budget / _LINES and now - then >= _PAUSE
        if not enough and self._budget - self._done > 1 - 1e-9:
            return
        self._printed = self._done, now
        began, before = self._start
        left = (now - began) / max(1, self._done - before) * (self._budget - self._done)
        what = "queries" if self._low is None else "full trainings' worth"
        self._print(f"{self._done:.4g}/{self._budget} {what}, {self._text()}, {left:.0f} s left")


class _Messages(logging.Handler):
    """Hands the messages of a logger over.

    Args:
        level: The least level of what is handed over.
        show: Called with each text.
    """

    def __init__(self, level: int, show: Callable[[str], None]) -> None:
        super().__init__(level)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(record.getMessage())
