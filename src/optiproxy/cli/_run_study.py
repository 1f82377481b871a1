"""Runs a study for the commands `search` and `resume`: progress, result, summary, files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optiproxy.cli._json_output import json_output
from optiproxy.cli._plan import plan
from optiproxy.cli._progress import SearchProgress
from optiproxy.cli._quiet_stdout import quiet_stdout
from optiproxy.cli._result_files import write_files
from optiproxy.cli._say import say
from optiproxy.cli._study_command import default_storage, study_command
from optiproxy.cli._summary import summary
from optiproxy.cli.app import FAILED, INTERRUPTED
from optiproxy.study import Study


def run_study(
    study: Study,
    budget: int,
    options: Mapping[str, Any],
    *,
    retrain: bool,
    json: bool,
) -> int:
    """Runs `study` and prints its results; returns the exit code.

    Args:
        study: To be run or continued.
        budget: How many queries it has in the end.
        options: Other arguments of `Study.run`.
        retrain: Whether the best network is trained again if its evaluator kept none.
        json: Whether results are printed as JSON.
    """
    place = None if study.storage is None else study.place
    folder = Path.cwd()
    if place is not None:
        done = len(study.queries)
        state = f"goes on after {done} queries" if done else "the same command again goes on"
        say(f"study {study.name} in {place}: {state}", file=sys.stderr)
    say(plan(study, budget, options), file=sys.stderr)
    with quiet_stdout():
        try:
            with SearchProgress(study, budget) as progress:
                study.run(budget, callback=progress, **options)
        except KeyboardInterrupt:
            say(_stopped(study), file=sys.stderr)
            return INTERRUPTED
        os.chdir(folder)  # An evaluator may have changed it.
    # Before the files: they may take long, or fail.
    if json:
        print(json_output(study, budget), flush=True)
    else:
        say(summary(study))
    if place is not None and not json:
        _write_files(study, place, retrain=retrain)
    elif not json:
        say(f"not kept: --storage {default_storage(study.name)} stores it, and writes its report")
    failed = all(record.metrics is None for record in (*study.queries, *study.dropped))
    return FAILED if failed else 0


def _write_files(study: Study, place: str, *, retrain: bool) -> None:
    """Writes report, figures and the best network beside the study; prints the path of each."""
    say(_file("study", place))
    if not study.queries:
        return
    folder = Path() if "://" in place else Path(place).parent
    stem = Path(default_storage(study.name)).stem
    files = write_files(study, folder, stem, retrain=retrain)
    while True:
        with quiet_stdout():
            written = next(files, None)
        if written is None:
            return
        say(_file(*written))


def _file(what: str, path: Path | str) -> str:
    return f"{what:<7}  {path}"


def _stopped(study: Study) -> str:
    if study.storage is None:
        return "stopped; a table's search is in memory and was not kept (--storage FILE keeps one)"
    return (
        f"stopped after {len(study.queries)} queries; go on with: {study_command('resume', study)}"
    )
