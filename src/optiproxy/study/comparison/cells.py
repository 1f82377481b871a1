"""The searches of a comparison: which of them are kept, and running the others in parallel."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, as_completed
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from optiproxy.errors import StudyError
from optiproxy.study._method import Method
from optiproxy.study._workers import worker
from optiproxy.study._workers.threads import thread_limits
from optiproxy.study.comparison import provenance
from optiproxy.study.comparison.run import Search, compute

_logger = logging.getLogger("optiproxy.study")


def searched(
    cells: Sequence[Search],
    folder: Path,
    *,
    keep_stale: bool,
    workers: int,
    callback: Callable[[int, int], None] | None,
) -> list[pa.Table]:
    """The rows of each cell, as its `run` returns them; those that have no file are computed.

    Args:
        cells: In any order.
        folder: Of their files.
        keep_stale: Whether a file is kept although the task or the method has changed since, with a
            warning.
        workers: How many searches run at once.
        callback: Called after each search with how many are finished, and how many there are.

    Raises:
        StudyError: A worker died; finished searches are kept.
    """
    files = {cell.file(folder): cell for cell in cells}
    stale = _stale(files, keep_stale)
    missing = {p: cell for p, cell in files.items() if p in stale or not p.exists()}
    done = len(files) - len(missing)
    for _ in _computed(missing, workers):
        done += 1
        if callback is not None:
            callback(done, len(files))
    # In the order of the cells, not in that in which they finished.
    return [pq.read_table(path) for path in files]


def _stale(files: dict[Path, Search], keep: bool) -> set[Path]:
    """The files whose task or method has changed since; empty if they are kept nevertheless."""
    methods = {name: Method.read(name) for name in {cell.method for cell in files.values()}}
    found: set[Path] = set()
    changes: Counter[str] = Counter()
    for path, cell in files.items():
        if path.exists():
            changed = provenance.changed(path, cell.task, methods[cell.method])
            found |= {path} if changed else set()
            changes.update(cell.task.name if w == "task" else cell.method for w in changed)
    for name, count in changes.items():
        done = "are kept (--keep-stale)" if keep else "are made again"
        _logger.warning("%s: changed since %d searches were made, which %s", name, count, done)
    return set() if keep else found


def _computed(missing: dict[Path, Search], workers: int) -> Iterator[Path]:
    """Computes the missing cells and yields the path of each finished one."""
    if not missing:
        return
    from loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(
        min(workers, len(missing)),
        initializer=worker.attend,
        initargs=(os.getpid(),),
        env=thread_limits(1),
    )
    finished = False
    try:
        futures = {executor.submit(compute, cell, path): path for path, cell in missing.items()}
        for future in as_completed(futures):
            future.result()
            yield futures[future]
        finished = True
    except BrokenExecutor as error:
        reason = " ".join(str(error).split())
        raise StudyError(
            f"compare: a worker process died ({reason}); run again: what is finished is kept"
        ) from None
    finally:
        executor.shutdown(wait=True, kill_workers=not finished)
