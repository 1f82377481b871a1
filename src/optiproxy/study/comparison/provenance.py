"""Where and when the searches of a comparison were made, for ``run.json``."""

from __future__ import annotations

import hashlib
import inspect
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from optiproxy.study import environment
from optiproxy.study._storage.identity import code_of
from optiproxy.tables.table import Table
from optiproxy.tasks import Task

# The key of a cell's Parquet metadata that has where it was made.
_MADE = b"optiproxy"


def marked(table: pa.Table, task: Task) -> pa.Table:
    """A search's rows, with where, when and from which code they were made."""
    made = {
        "date": environment.now(),
        "code": _answers(task),
        "machine": environment.machine(),
        "versions": environment.versions(),
    }
    return table.replace_schema_metadata({_MADE: json.dumps(made).encode()})


def unmarked(table: pa.Table) -> pa.Table:
    """The rows without it, so that those of several searches can be joined."""
    return table.replace_schema_metadata(None)


def origins(tables: Iterable[pa.Table]) -> list[dict[str, Any]]:
    """How many searches were made on each machine with the same versions, and when.

    Kept searches may be from another day, another machine or other package versions than the rest
    of the comparison. Machine and versions are None for searches without this information.
    """
    groups: dict[str, dict[str, Any]] = {}
    for made in map(_made, tables):
        where = {"machine": made.get("machine"), "versions": made.get("versions")}
        empty = {"searches": 0, "first": None, "last": None, **where}
        group = groups.setdefault(json.dumps(where, sort_keys=True), empty)
        group["searches"] += 1
        if date := made.get("date"):
            group["first"] = min(group["first"] or date, date)
            group["last"] = max(group["last"] or date, date)
    return list(groups.values())


def changed(tables: Iterable[pa.Table], task: Task) -> int:
    """How many of a task's searches were made before its file, table or function changed."""
    now = _answers(task)
    return sum(made["code"] != now for made in map(_made, tables) if made.get("code"))


def _answers(task: Task) -> str | None:
    """A hash of what decides a task's results; None if nothing is known of it.

    For a task that is loaded by a name that is the user's file; for one that was made in a program
    the contents of a table, or the source of the functions.
    """
    if task.reference is not None:
        return code_of(task)
    if isinstance(task, Table):
        parts = [task.values(metric).tobytes() for metric in sorted(task.metrics)]
        return hashlib.sha256(b"".join(parts)).hexdigest()
    try:
        functions: list[Any] = [task.evaluator, *task.exact.values(), *task.cheap.values()]
        sources = [inspect.getsource(function) for function in functions]
    except (OSError, TypeError):  # Typed into an interpreter, or callable objects.
        return code_of(task)
    return hashlib.sha256("".join(sources).encode()).hexdigest()


def _made(table: pa.Table) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((table.schema.metadata or {}).get(_MADE, b"{}"))
    return made


def run(
    given: Sequence[Task | str],
    tasks: Sequence[Task],
    methods: Sequence[str],
    out: str,
    settings: Mapping[str, int],
    asked: Mapping[str, Sequence[str]],
    tables: Iterable[pa.Table],
    references: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """The content of ``run.json``.

    Args:
        given: The tasks as given; if all are names, a command line can make the same.
        tasks: The tasks themselves.
        methods: Their names.
        out: The folder as given.
        settings: The other options of ``optiproxy compare``, such as ``seeds``.
        asked: The options that may be repeated: the objectives and constraints of all tasks.
        tables: The searches, as `marked` returned them.
        references: Task → the reference point of its hypervolume, metric → value.
    """
    return {
        "date": environment.now(),
        "command": _command(given, methods, out, settings, asked),
        "tasks": [_task(task, references.get(task.name)) for task in tasks],
        "methods": list(methods),
        **settings,
        "machine": environment.machine(),
        "versions": environment.versions(),
        "searches": origins(tables),
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _task(task: Task, reference: Mapping[str, float] | None) -> dict[str, Any]:
    judged = {} if reference is None else {"reference": dict(reference)}
    return {
        "name": task.name,
        "objectives": [o.text for o in task.objectives],
        "constraints": [c.text for c in task.constraints],
        "source": task.origin.source,
        **judged,
    }


def _command(
    given: Sequence[Task | str],
    methods: Sequence[str],
    out: str,
    settings: Mapping[str, int],
    asked: Mapping[str, Sequence[str]],
) -> str | None:
    """The command line that makes the comparison again; None if a task was made in a program."""
    names = [task for task in given if isinstance(task, str)]
    if len(names) < len(given):
        return None
    words = ["optiproxy", "compare", *names, "--methods", ",".join(methods)]
    for name, value in settings.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    for name, texts in asked.items():
        for text in texts:
            words += [f"--{name}", text]
    return shlex.join([*words, "--out", out])
