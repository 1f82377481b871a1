"""What `optiproxy compare` prints: a table for each task, and what can be concluded."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from optiproxy.report.analysis import ALL, NOT_SEPARATED
from optiproxy.report.significance import ALPHA, p_text

if TYPE_CHECKING:
    from optiproxy.report import DifferenceRow, RankRow, SummaryRow
    from optiproxy.study import Comparison

# With fewer seeds the order of the methods depends on which seeds were drawn.
FEW = 20

# Without a terminal, lines are not wrapped.
_WIDTH = 1000


def print_comparison(comparison: Comparison) -> None:
    """Prints the tables, and below them the statements."""
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
    yield from claims(comparison)
    for budget in dict.fromkeys(row.budget for row in comparison.ranks):
        rows = [row for row in comparison.ranks if row.budget == budget]
        yield from _ranking(rows, comparison.unit)
    yield from caution(comparison)


def claims(comparison: Comparison) -> Iterator[str]:
    """A line for each significant difference."""
    differences = comparison.differences
    significant = [row for row in differences if row.verdict != NOT_SEPARATED]
    for row in significant:
        yield _difference(row, differences, comparison.unit)
    if differences:
        if not significant:
            yield f"{differences[0].method_a} does not differ significantly from any other method"
        yield "(p: exact signed-rank test on the same seeds, Holm's correction in each budget)"


def _difference(row: DifferenceRow, differences: Sequence[DifferenceRow], unit: str) -> str:
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


def caution(comparison: Comparison) -> Iterator[str]:
    """What a dash means, and what few seeds can't show."""
    summary, differences = comparison.summary, comparison.differences
    if any(math.isnan(row.mean) for row in summary):
        yield "note: –: not every seed had a result that is no failure and keeps the limits"
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
