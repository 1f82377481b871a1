"""Where the searches of a comparison were made, and the ``run.json`` that tells it."""

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
from optiproxy.study._storage.identity import code_of, constraint_text, objective_text
from optiproxy.tables.table import Table
from optiproxy.tasks import Task

# The key of a cell's file under which it says where it was made.
_MADE = b"optiproxy"


def marked(table: pa.Table, task: Task) -> pa.Table:
    """A search's rows, with where, when and of what they were made."""
    made = {
        "date": environment.now(),
        "code": _answers(task),
        "machine": environment.machine(),
        "versions": environment.versions(),
    }
    return table.replace_schema_metadata({_MADE: json.dumps(made).encode()})


def unmarked(table: pa.Table) -> pa.Table:
    """The rows alone: several searches' may be joined."""
    return table.replace_schema_metadata(None)


def origins(tables: Iterable[pa.Table]) -> list[dict[str, Any]]:
    """How many searches were made on each machine with the same versions, and when.

    Kept searches may be of another day, another machine or other packages than the comparison that
    is put together from them. Of those that do not tell, the machine and the versions are None.
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
    """How many of a task's searches were made before its file, table or function was changed."""
    now = _answers(task)
    return sum(made["code"] != now for made in map(_made, tables) if made.get("code"))


def _answers(task: Task) -> str | None:
    """A hash of what decides a task's answers, as far as it can be told; None where it can't.

    Of one that is loaded by a name it is the user's file; of one that was made in a program what a
    table holds, or how the functions are written.
    """
    if task.reference is not None:
        return code_of(task)
    if isinstance(task, Table):
        parts = [task.values(metric).tobytes() for metric in sorted(task.metrics)]
        return hashlib.sha256(b"".join(parts)).hexdigest()
    try:
        functions: list[Any] = [task.evaluator, *task.exact.values(), *task.cheap.values()]
        sources = [inspect.getsource(function) for function in functions]
    except (OSError, TypeError):  # They were typed into an interpreter, or are objects.
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
        given: The tasks as they were asked for; with names alone a command line says the same.
        tasks: What they are.
        methods: Their names.
        out: The folder, as it was given.
        settings: The other options of ``optiproxy compare``, such as ``seeds``.
        asked: Those that may be given several times: the objectives and constraints of all tasks.
        tables: The searches, as `marked` left them.
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
        "objectives": [objective_text(o) for o in task.objectives],
        "constraints": [constraint_text(c) for c in task.constraints],
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
    """The command line that makes the comparison again; None where a task is a program's own."""
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
