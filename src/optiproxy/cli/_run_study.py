"""Runs a study for the commands `search` and `resume`: progress, answer, summary, files."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

from optiproxy.cli._json_output import answer_text
from optiproxy.cli._progress import SearchProgress
from optiproxy.cli._quiet_stdout import kept_for_the_answer
from optiproxy.cli._result_files import write_files
from optiproxy.cli._summary import summary
from optiproxy.cli.app import FAILED, INTERRUPTED
from optiproxy.study import Study
from optiproxy.study._storage.open import shown


def default_storage(name: str) -> str:
    """The journal file of a study that was given no storage, in the working folder."""
    # Letters of all languages stay: names that differ in them alone would share their files.
    stem = re.sub(r"[^\w.+-]+", "-", name)
    return f"./{stem}.journal"


def conduct(
    study: Study,
    budget: int,
    workers: int,
    *,
    cheap_budget: int | None = None,
    executor: Executor | None = None,
    json: bool,
) -> int:
    """Runs `study` and prints what it found; returns the exit code."""
    place = None if study.storage is None else shown(study.storage)
    folder = Path.cwd()
    if place is not None:
        done = len(study.queries)
        state = f"goes on after {done} queries" if done else "the same command again goes on"
        print(f"study {study.name} in {place}: {state}", file=sys.stderr)
    files: list[tuple[str, Path | str]] = []
    problem: BaseException | None = None
    with kept_for_the_answer():
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
        os.chdir(folder)  # An evaluator may have gone elsewhere.
        if place is not None and not json:
            files.append(("study", place))
            try:
                files.extend(_files(study, place))
            except (Exception, KeyboardInterrupt) as error:
                problem = error  # Told after what was found: that is there, whatever is not.
    print(answer_text(study, budget) if json else summary(study, files))
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
