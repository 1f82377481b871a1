"""``optiproxy data list``, ``optiproxy data add`` and ``optiproxy data fetch``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from optiproxy.tables.originals import Progress


def list_tables() -> None:
    """Lists the published tables that are known, and which of them are here."""
    from optiproxy.tables import originals, store

    rows = store.listing()
    width = max(len(row.table.name) for row in rows)
    for row in rows:
        known = row.table
        where = "" if row.path is None else f": {row.path}"
        size = f"; {known.rows:,} rows" if known.rows else ""
        print(f"{known.name:<{width}}  {row.status}{where}")
        print(f"  {known.description}{size}")
        print(f"  {_origin(known.original) or known.file} from {known.source}; "
              f"licence: {known.licence}\n")  # fmt: skip
    missing = [row.table for row in rows if row.status != "here"]
    if any(not table.original for table in missing):
        print(f"Add tables: optiproxy data add PATH, or set {store.VARIABLE} to a folder.")
    wanted = dict.fromkeys(table.original for table in missing if table.original)
    for name in wanted:
        own = originals.original(name)
        size = f" ({own.size})" if own.size else ""
        if own.url:
            print(f"Download {own.description}{size}: optiproxy data fetch {name}")
        else:
            print(f"Get {own.files[0]}{size} at {own.page}, then: optiproxy data add FILE")


def add(path: str, /) -> None:
    """Adds published tables, or a benchmark's own file, to your data folder.

    A table is verified and copied; a benchmark's own file, such as nasbench_only108.tfrecord, is
    read without running code in it, and converted once.

    Args:
        path: A file, or a folder of files.
    """
    from optiproxy.tables import store

    with _progress() as progress:
        added = store.add(path, progress)
    _print(added)


def fetch(name: str, /) -> None:
    """Downloads a benchmark from its authors' address and converts it once.

    The same command again continues an interrupted download.

    Args:
        name: As `optiproxy data list` names it.
    """
    from optiproxy.tables import store

    with _progress() as progress:
        added = store.fetch(name, progress)
    _print(added)


def _origin(name: str) -> str:
    from optiproxy.tables import originals

    return f"made of {originals.original(name).files[0]}" if name else ""


def _print(added: list[tuple[str, Path]]) -> None:
    for name, path in added:
        print(f"{name}: {path}")


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """A progress bar on a terminal's standard error; else a line for each step."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    steps: list[str] = []

    def show(step: str, done: float) -> None:
        if step not in steps:
            steps.append(step)
            if not console.is_terminal:
                console.print(f"{step} …")
            bar.add_task(step, total=1.0)
        bar.update(bar.task_ids[steps.index(step)], completed=done)

    with bar:
        yield show
