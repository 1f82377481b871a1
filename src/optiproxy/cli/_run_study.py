"""Runs a study for the commands `search` and `resume`: progress, result, summary, files."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

from optiproxy.cli._json_output import json_output
from optiproxy.cli._progress import SearchProgress
from optiproxy.cli._quiet_stdout import quiet_stdout
from optiproxy.cli._result_files import write_files
from optiproxy.cli._summary import summary
from optiproxy.cli.app import FAILED, INTERRUPTED
from optiproxy.study import Study


def default_storage(name: str) -> str:
    """The journal file of a study without ``--storage``, in the working folder."""
    # Letters of all languages stay: names that differ only in them must not share their files.
    stem = re.sub(r"[^\w.+-]+", "-", name)
    return f"./{stem}.journal"


def run_study(
    study: Study,
    budget: int,
    workers: int,
    *,
    cheap_budget: int | None = None,
    executor: Executor | None = None,
    json: bool,
) -> int:
    """Runs `study` and prints its results; returns the exit code."""
    place = None if study.storage is None else study.place
    folder = Path.cwd()
    if place is not None:
        done = len(study.queries)
        state = f"goes on after {done} queries" if done else "the same command again goes on"
        print(f"study {study.name} in {place}: {state}", file=sys.stderr)
    files: list[tuple[str, Path | str]] = []
    problem: BaseException | None = None
    with quiet_stdout():
        try:
            with SearchProgress(study, budget) as progress:
                study.run(
                    budget,
                    cheap_budget=cheap_budget,
                    workers=workers,
                    executor=executor,
                    callback=progress,
                )
        except KeyboardInterrupt:
            print(_how_to_resume(study, place), file=sys.stderr)
            return INTERRUPTED
        os.chdir(folder)  # An evaluator may have changed it.
        if place is not None and not json:
            files.append(("study", place))
            try:
                files.extend(_files(study, place))
            except (Exception, KeyboardInterrupt) as error:
                problem = error  # Raised after the summary, which must not be lost.
    print(json_output(study, budget) if json else summary(study, files))
    if problem is not None:
        raise problem
    failed = all(record.metrics is None for record in (*study.queries, *study.dropped))
    return FAILED if failed else 0


def _files(study: Study, place: str) -> Iterator[tuple[str, Path]]:
    if not study.task.in_memory and study.queries:
        folder = Path() if "://" in place else Path(place).parent
        yield from write_files(study, folder, Path(default_storage(study.name)).stem)


def _how_to_resume(study: Study, place: str | None) -> str:
    if place is None:
        return "stopped; a table's search is in memory and was not kept (--storage FILE keeps one)"
    where = [] if place == default_storage(study.name) else ["--storage", place]
    command = shlex.join(["optiproxy", "resume", study.name, *where])
    return f"stopped after {len(study.queries)} queries; go on with: {command}"
