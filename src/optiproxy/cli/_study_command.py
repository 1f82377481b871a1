"""Commands for a stored study, as a user would type them, and where it is stored by default."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optiproxy.study import Study


def default_storage(name: str) -> str:
    """The journal file of a study without ``--storage``, in the working folder."""
    # Letters of all languages stay: names that differ only in them must not share their files.
    stem = re.sub(r"[^\w.+-]+", "-", name)
    return f"./{stem}.journal"


def study_command(command: str, study: Study, *options: str) -> str:
    """A command line for a stored study.

    Args:
        command: ``"resume"`` or another command that takes a study's name and ``--storage``.
        study: A stored one.
        options: Of the command.
    """
    where = [] if study.place == default_storage(study.name) else ["--storage", study.place]
    return shlex.join(["optiproxy", command, study.name, *options, *where])
