"""Reads the earlier searches of ``--warm-start``: stored studies, or files of ``search --json``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from optiproxy.cli._study_command import default_storage
from optiproxy.cli._trust import stored_study
from optiproxy.errors import OptiProxyError, invalid
from optiproxy.study import Record


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
            entries = json.loads(path.read_text(encoding="utf-8"))["trajectory"]
            # `fidelity` groups the queries by epochs, also in files without `epochs`.
            records = [Record.read({"epochs": e.get("fidelity"), **e}) for e in entries]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise invalid(
                "--warm-start", name, "give a file that `optiproxy search --json` wrote"
            ) from None
        return SimpleNamespace(queries=records)
    remedy = "give the name of a study in --storage, or a file that `search --json` wrote"
    # Without --storage each search has its own file.
    places = [p for p in (storage, default_storage(name)) if p and ("://" in p or Path(p).exists())]
    problem = f"there is no such file and no {default_storage(name)}"
    for place in places:
        try:
            return stored_study(name, place)
        except OptiProxyError as error:
            problem = str(error)
    raise invalid("--warm-start", name, f"{problem}; {remedy}")
