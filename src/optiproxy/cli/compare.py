"""``optiproxy compare``."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from optiproxy.cli._searches import FIGURES, searches_shown, stopped
from optiproxy.errors import invalid

if TYPE_CHECKING:
    from rich.table import Table

    from optiproxy.report import DifferenceRow, RankRow, SummaryRow
    from optiproxy.study import Comparison

# With fewer seeds the order of the methods depends on which seeds were drawn.
FEW = 20

# Without a terminal, lines are not wrapped.
_WIDTH = 1000


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
        methods: Names separated by commas; the first one is tested against the others. optiproxy,
            paper, random, evolution, local, bananas, npenas, nasbowl, tpe, gpsampler, nsga2;
            boosted, nsga2-pymoo and smac where they are installed (optiproxy methods lists them).
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
    from optiproxy.hardware import cores

    if report is not None:
        reports.check_page(report)  # Before hours of searches.
    workers = cores() if workers is None else workers
    if workers_simulated is not None:
        from optiproxy.cli._simulated import simulate

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
    for name, given in (("synchronous", synchronous), ("worker_failures", worker_failures)):
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
            statements=[*_claims(comparison), *_caution(comparison)],
            run=json.loads((out / "run.json").read_text("utf-8")),
            fronts=comparison.references,
            by=comparison.by,
            unit=comparison.unit,
            start=comparison.start,
        )
        files.append(path)
    if format == "text":
        _print(comparison)
    else:
        print(reports.summary_table(comparison.summary, format, unit=comparison.unit), end="")
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


def _print(comparison: Comparison) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDTH
    for task in dict.fromkeys(row.task for row in comparison.summary):
        rows = [row for row in comparison.summary if row.task == task]
        console.print(_title(rows, task in comparison.references), style="bold", soft_wrap=True)
        console.print(_table(rows, comparison.unit))
    for line in statements(comparison):
        console.print(line, soft_wrap=True)


def _title(rows: Sequence[SummaryRow], front: bool) -> str:
    if front:
        known = "share of the hypervolume missed ± std, whole front found"
        measure = known if _known(rows) else "share of all searches' hypervolume ± std"
    else:
        measure = "regret ± std, optimum found" if _known(rows) else "best ± std"
    return f"{rows[0].task}: {measure}, search overhead; {_seeds(rows)}"


def _known(rows: Sequence[SummaryRow]) -> bool:
    """Whether the optimum of their task is known."""
    return not all(math.isnan(row.hit_rate) for row in rows)


def _table(rows: Sequence[SummaryRow], unit: str = "queries") -> Table:
    """The table of a task: its methods in rows, the budgets in columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    known = _known(rows)
    table = Table(box=box.SIMPLE_HEAD)
    methods = list(dict.fromkeys(row.method for row in rows))
    budgets = list(dict.fromkeys(row.budget for row in rows))
    table.add_column(unit, no_wrap=True)
    for budget in budgets:
        table.add_column(f"{budget:g}", justify="right", no_wrap=True)
    if known:
        table.add_column(f"median {unit}", justify="right", no_wrap=True)
    last = {row.method: row for row in rows if row.budget == budgets[-1]}
    cells = {(row.method, row.budget): _cell(row, known) for row in rows}
    for method in methods:
        # With two lines a method, three budgets fit into 80 columns.
        shown = [cells[method, budget] for budget in budgets]
        if known:
            shown.append(_medians(last[method]))
        first, second = zip(*shown, strict=True)
        table.add_row(Text(method, style="bold"), *map(Text, first))
        table.add_row("", *(Text(text, style="dim") for text in second))
    return table


def _medians(row: SummaryRow) -> tuple[str, str]:
    """After how many queries half of the seeds had found the optimum, or a value near it."""

    def text(queries: float) -> str:
        return f"{queries:.0f}" if math.isfinite(queries) else f"over {row.budget:g}"

    return f"{text(row.queries_to_optimum)}", f"{text(row.queries_to_near_optimum)} to 0.1 %"


def _cell(row: SummaryRow, known: bool) -> tuple[str, str]:
    # Two digits, without an exponent.
    seconds = f"{row.seconds:.0f} s" if row.seconds >= 10 else f"{_number(row.seconds, 2)} s"
    if math.isnan(row.mean):  # A seed found nothing feasible.
        return "–", seconds
    if not known:
        return f"{_number(row.mean, 6)} ± {_number(row.std)}", seconds
    return f"{_number(row.regret)} ± {_number(row.std)}", f"{100 * row.hit_rate:.0f} %, {seconds}"


def statements(comparison: Comparison) -> Iterator[str]:
    """A line for each significant difference, the mean ranks, and a caution about few seeds."""
    yield from _claims(comparison)
    for budget in dict.fromkeys(row.budget for row in comparison.ranks):
        rows = [row for row in comparison.ranks if row.budget == budget]
        yield from _ranking(rows, comparison.unit)
    yield from _caution(comparison)


def _claims(comparison: Comparison) -> Iterator[str]:
    from optiproxy.report.analysis import NOT_SEPARATED

    differences = comparison.differences
    significant = [row for row in differences if row.verdict != NOT_SEPARATED]
    for row in significant:
        yield _difference(row, differences, comparison.unit)
    if differences:
        if not significant:
            yield f"{differences[0].method_a} does not differ significantly from any other method"
        yield "(p: exact signed-rank test on the same seeds, Holm's correction in each budget)"


def _difference(row: DifferenceRow, differences: Sequence[DifferenceRow], unit: str) -> str:
    from optiproxy.report.analysis import ALL
    from optiproxy.report.significance import p_text

    where, extent = row.task, f"mean difference {_number(row.mean_difference)}"
    if row.task == ALL:
        # Tasks may have different units, so wins are counted and differences not averaged.
        single = [
            other.mean_difference
            for other in differences
            if (other.budget, other.method_b) == (row.budget, row.method_b) and other is not row
        ]
        where, ahead = f"all {len(single)} tasks", sum(gain > 0 for gain in single)
        extent = f"the better mean on {ahead} of {len(single)}"
    return (
        f"{where}, {row.budget:g} {unit}: {row.method_a} {row.verdict} than {row.method_b} "
        f"({extent}, p {p_text(row.p_holm)})"
    )


def _ranking(rows: Sequence[RankRow], unit: str) -> Iterator[str]:
    """The mean ranks in blocks of a task and a seed, and where there are several tasks by task."""
    from optiproxy.report.significance import p_text

    def line(kind: str, ranks: Sequence[tuple[str, float]], of: tuple[int, float, float]) -> str:
        listed = ", ".join(f"{method} {rank:.2f}" for method, rank in ranks)
        blocks, difference, p = of
        return (
            f"mean ranks{kind}, {rows[0].budget:g} {unit}: {listed} (critical difference "
            f"{difference:.2f}, {blocks} blocks, Friedman p {p_text(p)})"
        )

    first = rows[0]
    of = (first.blocks, first.critical_difference, first.friedman_p)
    yield line("", [(row.method, row.mean_rank) for row in rows], of)
    if first.tasks > 1:
        ranks = sorted(((r.method, r.mean_rank_by_task) for r in rows), key=lambda pair: pair[1])
        of = (first.tasks, first.critical_difference_by_task, first.friedman_p_by_task)
        yield line(" by task", ranks, of)


def _caution(comparison: Comparison) -> Iterator[str]:
    from optiproxy.report.analysis import ALL
    from optiproxy.report.significance import ALPHA

    summary, differences = comparison.summary, comparison.differences
    if min(row.seeds for row in summary) < FEW:
        yield (
            f"note: {_seeds(summary)}; figures from fewer than {FEW} seeds put the methods in "
            f"another order when other seeds are drawn: take --seeds {FEW} or more"
        )
    single = [row for row in differences if row.task != ALL]
    family = max(Counter(row.budget for row in differences).values(), default=0)
    # The smallest p: all n pairs favour one method, which are two of the 2ⁿ combinations of signs.
    if single and family * 2.0 ** (1 - max(row.n for row in single)) >= ALPHA:
        yield "note: with so few seeds no difference on a single task can be significant"


def _seeds(rows: Sequence[SummaryRow]) -> str:
    count = min(row.seeds for row in rows)
    return f"{count} {'seed' if count == 1 else 'seeds'}"


def _number(value: float, digits: int = 3) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}g}"
