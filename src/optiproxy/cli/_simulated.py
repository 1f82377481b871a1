"""``optiproxy compare --workers-simulated``: how methods use many workers."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optiproxy.cli._searches import FIGURES, searches_shown, stopped
from optiproxy.errors import invalid

if TYPE_CHECKING:
    from optiproxy.report import ParallelRow

# Queries of a search at most: with 256 workers the first round alone has as many.
_QUERIES = 500
_SECONDS = "train_seconds"


def simulate(
    tasks: Sequence[str],
    methods: Sequence[str],
    out: Path,
    workers_simulated: str,
    scatter: str,
    *,
    budget: int | None,
    duration: str | None,
    **options: Any,
) -> int:
    """Runs the simulations, prints their table and draws their figures; returns the exit code.

    Args:
        tasks: Names.
        methods: Names.
        out: A folder.
        workers_simulated: Numbers separated by commas.
        scatter: Of the training times.
        budget: Queries at most; None for the default.
        duration: The metric that is a training's seconds; None for the default.
        options: Others of `study.comparison.simulated.simulate`.
    """
    from optiproxy import report
    from optiproxy.study.comparison import labels, simulated

    parts = workers_simulated.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise invalid("workers_simulated", workers_simulated, "give whole numbers, as 1,16,256")
    try:
        with searches_shown() as show:
            results, rows = simulated.simulate(
                tasks,
                methods,
                out,
                [int(part) for part in parts],
                budget=_QUERIES if budget is None else budget,
                duration=duration or _SECONDS,
                scatter=scatter,
                callback=show,
                **options,
            )
    except KeyboardInterrupt:
        return stopped()
    names = labels.labels(dict.fromkeys(row.method for row in rows))
    rows, results = labels.labelled_rows(rows, names), labels.labelled_table(results, names)
    files = [out / name for name in ("parallel.parquet", "parallel.csv", "parallel.json")]
    for suffix in FIGURES:
        files.append(report.parallel_figure(rows, out / f"parallel.{suffix}"))
        files.append(
            report.convergence_figure(
                simulated.by_workers(results),
                out / f"regret.{suffix}",
                by="hours",
                unit="simulated hours",
            )
        )
    _print(rows)
    for path in files:
        print(path, file=sys.stderr)
    return 0


def _print(rows: Sequence[ParallelRow]) -> None:
    for task in dict.fromkeys(row.task for row in rows):
        own = [row for row in rows if row.task == task]
        print(f"{task}: simulated hours to 0.1 % regret, median of {own[0].seeds} seeds")
        width = max(len(row.method) for row in own)
        print(
            f"  {'method':<{width}}  workers    hours  sooner  trainings  reached  CPU ms a query"
        )
        for row in own:
            print(
                f"  {row.method:<{width}}  {row.workers:>7}  {_text(row.hours, 1):>7}  "
                f"{_text(row.speed_up, 1):>6}  {_text(row.queries, 0):>9}  "
                f"{100 * row.reached:>5.0f} %  {1000 * row.cpu_seconds:>12.1f}"
            )


def _text(value: float, places: int) -> str:
    if not math.isfinite(value):
        return "–"
    # Trainings of seconds take hundredths of an hour.
    return f"{value:.{places}f}" if value >= 0.1 or places == 0 else f"{value:.2g}"
