"""The progress of many searches on standard error: a bar on a terminal, else a line a tenth."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from optiproxy.cli._quiet_stdout import quiet_stdout

#: The formats in which figures are written.
FIGURES = ("png", "pdf", "svg")


def stopped() -> int:
    """Says what is kept after Ctrl-C, and returns the exit code."""
    from optiproxy.cli.app import INTERRUPTED

    kept = "finished searches are kept, and the same command again goes on"
    print(f"stopped; {kept}", file=sys.stderr)
    return INTERRUPTED


@contextmanager
def searches_shown() -> Iterator[Callable[[int, int], None]]:
    """A function of how many searches are finished, and how many there are.

    Inside, what evaluators print does not reach standard output.
    """
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=console, disable=not console.is_terminal)
    with quiet_stdout(), shown as progress:
        row = progress.add_task("searches", total=None)

        def show(done: int, total: int) -> None:
            progress.update(row, completed=done, total=total)
            # Without a terminal there is no bar, but a line for each tenth.
            if not console.is_terminal and 10 * done // total > 10 * (done - 1) // total:
                console.print(f"{done}/{total} searches", highlight=False)

        yield show
