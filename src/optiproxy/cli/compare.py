"""``optiproxy compare``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optiproxy.study import SummaryRow


def compare(
    tasks: list[str],
    /,
    *,
    methods: str = "optiproxy,random,evolution,local",
    seeds: int = 20,
    first_seed: int = 0,
    budget: int = 100,
    out: Path = Path("comparison"),
    workers: int | None = None,
) -> int:
    """Compares methods on tasks over many seeds.

    Writes results.parquet (one row a query), summary.csv (one row per task, method and budget) and
    convergence.png. Finished searches are kept in OUT/cells.

    Args:
        tasks: Names of `optiproxy tasks`, or your own: my_module:task.
        methods: Names with commas between.
        seeds: How many searches of each.
        first_seed: The first seed; the others follow.
        budget: Queries of each search.
        out: A folder for the results, made where it is missing.
        workers: How many searches run at once, each with one thread; by default one for each core.
    """
    import sys

    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from optiproxy import report, study
    from optiproxy.cli._stdout import kept_for_the_answer
    from optiproxy.study._pool import cores

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=console, disable=not console.is_terminal)
    # An evaluator may print: standard output is for the summary.
    with kept_for_the_answer(), shown as progress:
        row = progress.add_task("searches", total=None)

        def tell(done: int, total: int) -> None:
            progress.update(row, completed=done, total=total)
            # Elsewhere than on a terminal there is no bar: a line for each tenth.
            if not console.is_terminal and 10 * done // total > 10 * (done - 1) // total:
                console.print(f"{done}/{total} searches", highlight=False)

        comparison = study.compare(
            tasks,
            [name.strip() for name in methods.split(",")],
            out,
            seeds=seeds,
            first_seed=first_seed,
            budget=budget,
            workers=cores() if workers is None else workers,
            callback=tell,
        )
    figure = report.convergence_figure(comparison.results, out / "convergence.png")
    print(_table(comparison.summary))
    for path in (out / "results.parquet", out / "summary.csv", figure):
        print(path, file=sys.stderr)
    return 0


def _table(summary: Sequence[SummaryRow]) -> str:
    rows = [("task", "method", "budget", "best", "95 % interval", "regret", "found", "seconds")]
    for row in summary:
        interval = f"{row.ci_low:.4f} … {row.ci_high:.4f}"
        found = "–" if math.isnan(row.hit_rate) else f"{100 * row.hit_rate:.0f} %"
        regret = "–" if math.isnan(row.regret) else f"{row.regret:.4f}"
        rows.append((
            row.task, row.method, str(row.budget), f"{row.mean:.4f}", interval, regret, found,
            f"{row.seconds:.2f}",
        ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = 2  # Names to the left, numbers to the right.
    return "\n".join(
        "  ".join(
            text.ljust(width) if i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
