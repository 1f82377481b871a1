"""``optiproxy compare``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

from optiproxy.cli._searches import FIGURES, searches_shown, stopped
from optiproxy.errors import invalid


def compare(
    tasks: list[str],
    /,
    *,
    methods: str = "optiproxy,random,evolution,local",
    seeds: int = 20,
    first_seed: int = 0,
    budget: int | None = None,
    budgets: str | None = None,
    batch: str = "own",
    cost: str | None = None,
    cost_budget: float | None = None,
    objective: list[str] | None = None,
    constraint: list[str] | None = None,
    out: Path = Path("comparison"),
    report: Path | None = None,
    keep_stale: bool = False,
    format: Literal["text", "markdown", "latex"] = "text",
    workers: int | None = None,
    workers_simulated: str | None = None,
    scatter: Literal["constant", "exponential"] = "constant",
    synchronous: bool = False,
    worker_failures: float = 0.0,
) -> int:
    """Compares methods on tasks over many seeds.

    Writes results.parquet (one row a query), summary.csv (one row per task, method and budget),
    tests.csv (the first method against each other one), ranks.csv (all methods over all tasks),
    run.json (the command, the code, the machine, the versions), and the figures convergence and
    ranks (png, pdf, svg). Finished searches are kept in OUT/cells; those that other code made are
    made again.

    Args:
        tasks: Names of `optiproxy tasks`, or your own: my_module:task.
        methods: Names separated by commas; the first one is tested against the others: {methods}.
            METHOD:PROXY takes another model, as optiproxy:gcn or optiproxy:gp:path;
            METHOD[n_init=5,acquisition=mean+optimism] other settings; path/to/mine.py:Method or
            my_module:Method is your own.
        seeds: How many searches of each.
        first_seed: The first seed; the others follow.
        budget: Queries of each search; by default the last of the budgets, or 100.
        budgets: Where methods are compared, as 10,20,50,100; by default a quarter, a half and all.
        batch: How many queries all methods propose at once: 1, 3, …; or own, each method's number.
        cost: Compares at equal cost of the queries: a metric such as train_seconds, or seconds, how
            long an evaluation takes.
        cost_budget: The cost at which a search ends; the budgets are in its unit.
        objective: METRIC=max or METRIC=min, instead of the tasks' own; with several, searches are
            compared by their hypervolume.
        constraint: METRIC<=NUMBER, METRIC>=NUMBER or METRIC<=60% (in quotes), on every task; may be
            repeated. An architecture that breaks it is never the best.
        out: A folder for the results, created if it is missing.
        report: Writes all of it as one page too: comparison.html.
        keep_stale: Keeps searches that other code made, with a warning.
        format: Of the tables that are printed: text, markdown or latex.
        workers: How many searches run at once, each with one thread; by default one for each core.
        workers_simulated: How methods use so many workers, as 1,16,256, and nothing else: until
            they are within 0.1 % of the optimum, on a simulated clock of the tables' training
            seconds (--cost, by default train_seconds) and of the methods' own time. Writes
            parallel.parquet, parallel.csv, parallel.json, and the figures parallel and regret.
        scatter: Of the simulated training times: constant, as the table says, or exponential.
        synchronous: Adds searches whose simulated workers wait for each other, beside those that
            get their next architecture when they are free.
        worker_failures: The chance, as 0.05, that a simulated training is lost and made again.
    """
    import sys

    from optiproxy import report as reports
    from optiproxy import study
    from optiproxy.cli._comparison_text import caution, claims, print_comparison
    from optiproxy.hardware import cores

    if report is not None:  # Before hours of searches. The folder OUT will be made.
        inside = report.parent.resolve() == out.resolve()
        reports.check_page(Path(report.name) if inside else report)
    workers = cores() if workers is None else workers
    if workers_simulated is not None:
        from optiproxy.cli._simulated import simulate

        for name, given in (
            ("budgets", budgets), ("batch", None if batch == "own" else batch),
            ("cost_budget", cost_budget), ("objective", objective), ("report", report),
            ("format", None if format == "text" else format),
        ):  # fmt: skip
            if given is not None:
                raise invalid(name, given, "leave it out: --workers-simulated does not use it")
        return simulate(
            tasks,
            _methods(methods),
            out,
            workers_simulated,
            scatter,
            seeds=seeds,
            first_seed=first_seed,
            budget=budget,
            duration=cost,
            synchronous=synchronous,
            worker_failures=worker_failures,
            constraints=constraint,
            keep_stale=keep_stale,
            workers=workers,
        )
    for name, given in (
        ("scatter", None if scatter == "constant" else scatter),
        ("synchronous", synchronous), ("worker_failures", worker_failures),
    ):  # fmt: skip
        if given:
            raise invalid(name, given, "it is of a simulated clock: give --workers-simulated too")
    try:
        with searches_shown() as show:
            comparison = study.compare(
                tasks,
                _methods(methods),
                out,
                seeds=seeds,
                first_seed=first_seed,
                budget=budget,
                budgets=_budgets(budgets),
                batch=_batch(batch),
                cost=cost,
                cost_budget=cost_budget,
                objectives=objective,
                constraints=constraint,
                keep_stale=keep_stale,
                workers=workers,
                callback=show,
            )
    except KeyboardInterrupt:
        return stopped()
    comparison = comparison.labelled()
    names = ("results.parquet", "summary.csv", "tests.csv", "ranks.csv", "run.json")
    files = [out / name for name in names]
    over = {"by": comparison.by, "unit": "query" if cost is None else cost}
    for suffix in FIGURES:
        path = out / f"convergence.{suffix}"
        reports.convergence_figure(
            comparison.results, path, fronts=comparison.references, start=comparison.start, **over
        )
        files.append(path)
        if comparison.ranks:
            path = out / f"ranks.{suffix}"
            files.append(reports.rank_figure(comparison.ranks, path, unit=comparison.unit))
    if report is not None:
        path = reports.comparison_report(
            comparison.results,
            reports.Analysis(comparison.summary, comparison.differences, comparison.ranks),
            report,
            statements=[*claims(comparison), *caution(comparison)],
            run=json.loads((out / "run.json").read_text("utf-8")),
            fronts=comparison.references,
            by=comparison.by,
            unit=comparison.unit,
            start=comparison.start,
        )
        files.append(path)
    if format == "text":
        print_comparison(comparison)
    else:
        table = reports.summary_table(
            comparison.summary, format, unit=comparison.unit, fronts=comparison.references
        )
        print(table, end="")
    for path in files:
        print(path, file=sys.stderr)
    return 0


def _methods(text: str) -> list[str]:
    """Names separated by commas; those within brackets separate settings."""
    return [name.strip() for name in re.split(r",(?![^\[]*\])", text)]


def _budgets(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise invalid("budgets", text, "give numbers, as 10,20,50,100") from None
    return [int(number) if number.is_integer() else number for number in numbers]


def _batch(text: str) -> int | None:
    if text == "own":
        return None
    if not text.isdigit():
        raise invalid("batch", text, "give a whole number of 1 or more, or own")
    return int(text)
