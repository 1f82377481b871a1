"""What ``--warm-start`` names: stored studies, or files that ``search --json`` wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from optiproxy.cli._run_study import default_storage
from optiproxy.errors import OptiProxyError, invalid
from optiproxy.study import Study


def earlier_searches(names: Iterable[str], storage: str | None) -> list[Any]:
    """The earlier searches, as `Study` takes them.

    Raises:
        InvalidValueError: One is neither a readable file nor a study of `storage`.
    """
    return [_earlier(name, storage) for name in names]


def _earlier(name: str, storage: str | None) -> Any:
    path = Path(name)
    if path.is_file():
        try:
            answer = json.loads(path.read_text(encoding="utf-8"))
            return SimpleNamespace(queries=[_query(q) for q in answer["trajectory"]])
        except (ValueError, KeyError, TypeError):
            raise invalid(
                "--warm-start", name, "give a file that `optiproxy search --json` wrote"
            ) from None
    remedy = "give the name of a study in --storage, or a file that `search --json` wrote"
    # Each search has a file of its own where no storage is said.
    places = [p for p in (storage, default_storage(name)) if p and ("://" in p or Path(p).exists())]
    problem = f"there is no such file and no {default_storage(name)}"
    for place in places:
        try:
            return Study.load(name, place)
        except OptiProxyError as error:
            problem = str(error)
    raise invalid("--warm-start", name, f"{problem}; {remedy}")


def _query(entry: dict[str, Any]) -> SimpleNamespace:
    """One of the trajectory; those of one fidelity belong together, whichever it is."""
    return SimpleNamespace(
        architecture=entry["architecture"],
        metrics=entry["metrics"] or None,
        feasible=entry["feasible"],
        epochs=entry.get("fidelity"),
    )
