"""What made the searches of a comparison, and where and when, for ``run.json``."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from optiproxy.study import environment
from optiproxy.study._method import Method
from optiproxy.study.comparison import code
from optiproxy.tasks import Task

# The key of a cell's Parquet metadata that has where it was made.
_MADE = b"optiproxy"
# Searches that are equal in these are one group in ``run.json``.
_WHERE = ("commit", "uncommitted_changes", "machine", "versions")


def marked(
    table: pa.Table,
    task: Task,
    method: Method,
    *,
    seconds: float,
    batches: Sequence[int],
    random_queries: int,
) -> pa.Table:
    """A search's rows, with what made them, where and when.

    Args:
        table: The rows.
        task: What was searched.
        method: By what.
        seconds: How long the whole search took.
        batches: How many queries were proposed at once, each time.
        random_queries: How many of the first queries no model chose.
    """
    made = {
        "date": environment.now(),
        "code": code.of_task(task),
        "method_code": code.of_method(method),
        "seconds": seconds,
        "batches": dict(Counter(batches)),
        "random_queries": random_queries,
        **environment.commit(),
        "machine": environment.machine(),
        "versions": environment.versions(),
    }
    return table.replace_schema_metadata({_MADE: json.dumps(made).encode()})


def changed(path: Path, task: Task, method: Method) -> list[str]:
    """What has changed since the search in a file was made: ``task``, ``method``, or both."""
    made = _made(pq.read_schema(path).metadata)
    now = {"task": ("code", code.of_task(task)), "method": ("method_code", code.of_method(method))}
    # Unknown where a worker could not read the source of a function that was made in a program.
    return [what for what, (key, value) in now.items() if made.get(key) not in (None, value)]


def random_queries(tables: Iterable[pa.Table]) -> list[int]:
    """How many of the first queries of each search no model chose."""
    return [_made(table.schema.metadata).get("random_queries", 0) for table in tables]


def unmarked(table: pa.Table) -> pa.Table:
    """The rows without it, so that those of several searches can be joined."""
    return table.replace_schema_metadata(None)


def origins(tables: Iterable[pa.Table]) -> list[dict[str, Any]]:
    """How many searches were made by the same code on the same machine, of which methods, when.

    Kept searches may be from another day, commit, machine or other package versions than the rest
    of the comparison. What a search does not say is None.
    """
    groups: dict[str, dict[str, Any]] = {}
    for table in tables:
        made, method = _made(table.schema.metadata), table["method"][0].as_py()
        where = {key: made.get(key) for key in _WHERE}
        empty: dict[str, Any] = {
            "searches": 0, "methods": [], "first": None, "last": None, **where
        }  # fmt: skip
        group = groups.setdefault(json.dumps(where, sort_keys=True), empty)
        group["searches"] += 1
        group["methods"] = sorted({*group["methods"], method})
        if date := made.get("date"):
            group["first"] = min(group["first"] or date, date)
            group["last"] = max(group["last"] or date, date)
    return list(groups.values())


def _made(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((metadata or {}).get(_MADE, b"{}"))
    return made


def _batches(tables: Iterable[pa.Table]) -> dict[str, list[int]]:
    """Method → the sizes of its batches, ascending."""
    found: dict[str, set[int]] = {}
    for table in tables:
        sizes = _made(table.schema.metadata).get("batches", {})
        found.setdefault(table["method"][0].as_py(), set()).update(map(int, sizes))
    return {method: sorted(sizes) for method, sizes in found.items()}


def _seconds(tables: Iterable[pa.Table]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Task → method → seed → how long its search took; None where that was not kept."""
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for table in tables:
        task, method, seed = (table[name][0].as_py() for name in ("task", "method", "seed"))
        took = _made(table.schema.metadata).get("seconds")
        of_method = found.setdefault(task, {}).setdefault(method, {})
        workers = f", {table['workers'][0]} workers" if "workers" in table.column_names else ""
        of_method[f"{seed}{workers}"] = None if took is None else round(took, 3)
    return found


def run(
    given: Sequence[Task | str],
    tasks: Sequence[Task],
    methods: Sequence[str],
    out: str,
    settings: Mapping[str, Any],
    asked: Mapping[str, Sequence[str]],
    tables: Sequence[pa.Table],
    references: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """The content of ``run.json``.

    Args:
        given: The tasks as given; if all are names, a command line can make the same.
        tasks: The tasks themselves.
        methods: Their names.
        out: The folder as given.
        settings: The other options of ``optiproxy compare``, such as ``seeds``; None for those
            that were not given.
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
        "batches": _batches(tables),
        **environment.commit(),
        "machine": environment.machine(),
        "versions": environment.versions(),
        "packages": environment.packages(),
        "searches": origins(tables),
        "seconds": _seconds(tables),
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
    settings: Mapping[str, Any],
    asked: Mapping[str, Sequence[str]],
) -> str | None:
    """The command line that makes the comparison again; None if a task was made in a program."""
    names = [task for task in given if isinstance(task, str)]
    if len(names) < len(given):
        return None
    words = ["optiproxy", "compare", *names, "--methods", ",".join(methods)]
    for name, value in settings.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif isinstance(value, list):
            words += [option, ",".join(map(_text, value))]
        elif value is not None and value is not False:
            words += [option, _text(value)]
    for name, texts in asked.items():
        for text in texts:
            words += [f"--{name}", text]
    return shlex.join([*words, "--out", out])


def _text(value: object) -> str:
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
