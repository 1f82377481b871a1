"""Asks once before a command runs what a stored study names, which who wrote it could choose."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optiproxy.study import Study

#: Whether the command line has ``--trust``.
given = False


def stored_study(name: str, storage: str | None) -> Study:
    """As `trusted_study`; what its task's file prints goes to standard error."""
    from optiproxy.cli._quiet_stdout import quiet_stdout

    with quiet_stdout():
        return trusted_study(name, storage)


def trusted_study(name: str, storage: str | None) -> Study:
    """A stored study; by default in ``./NAME.journal``.

    Raises:
        StudyError: There is none, or it names code that the user does not trust.
    """
    from optiproxy.cli._study_command import default_storage
    from optiproxy.study import Study

    place = storage or default_storage(name)
    return Study.load(name, place, trust=lambda named: _check(place, named))


def remember(place: str, named: Sequence[str]) -> None:
    """The user has named this code too, or trusts it: it is not asked for again."""
    if not set(named) - set(_known(place)):
        return
    from optiproxy._atomic_write import whole

    known = _trusted()
    known[_key(place)] = sorted({*known.get(_key(place), []), *named})
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        with whole(_file()) as unfinished:
            unfinished.write_text(json.dumps(known, indent=1))
    except OSError:
        return  # It is asked for again then.


def _check(place: str, named: Sequence[str]) -> None:
    from optiproxy.errors import StudyError

    new = [each for each in named if each not in _known(place)]
    if not new:
        return
    what = f"the study in {place} runs {' and '.join(new)}"
    if not given and not _agreed(what):
        raise StudyError(
            f"{what}, which it names itself; if you trust who wrote it, add --trust (once)"
        )
    remember(place, new)


def _agreed(what: str) -> bool:
    from optiproxy.cli._say import say

    if not sys.stdin.isatty():
        return False
    say(f"{what}, which it names itself. Do you trust who wrote it? [y/N]", file=sys.stderr)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _known(place: str) -> list[str]:
    return _trusted().get(_key(place), [])


def _trusted() -> dict[str, list[str]]:
    try:
        known: dict[str, list[str]] = json.loads(_file().read_text())
    except (OSError, ValueError):
        return {}
    return known


def _key(place: str) -> str:
    return place if "://" in place else os.path.abspath(place)


def _file() -> Path:
    import platformdirs

    return platformdirs.user_state_path("optiproxy", appauthor=False) / "trusted.json"
