"""Earlier measurements: one small file each in the user's cache folder."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import platformdirs

from optiproxy._atomic_write import whole

# Changes with the way of measuring, which makes earlier files invalid.
VERSION = 1


_here: dict[str, dict[str, Any]] = {}


def kept(key: str, *, lasting: bool) -> dict[str, Any] | None:
    """The measurement stored under `key`; None where there is none, or the file is broken."""
    if not lasting:
        return _here.get(key)
    try:
        content = json.loads(_file(key).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("latency_ms") else None


def keep(key: str, content: dict[str, Any], *, lasting: bool) -> None:
    """Stores a measurement; where the disk can't be written to, it is measured again next time.

    Args:
        lasting: On the disk; otherwise in this process.
    """
    if not lasting:
        _here[key] = content
        return
    path = _file(key)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as unfinished:
            unfinished.write_text(json.dumps(content), encoding="utf-8")


def _file(key: str) -> Path:
    cache = platformdirs.user_cache_path("optiproxy", appauthor=False)
    return cache / f"measurements-{VERSION}" / f"{key}.json"
