"""``optiproxy report``."""

from __future__ import annotations

from pathlib import Path


def report(name: str, /, *, out: Path = Path("report.html"), storage: str | None = None) -> int:
    """Writes a stored search as one HTML file: its results, how they were found, and warnings.

    The file is self-contained and needs no network. Searches that differ only in the seed, in the
    same storage, are drawn beside it as a mean with its confidence interval.

    Args:
        name: The study's name.
        out: The file to write.
        storage: Where the study is stored; by default ./NAME.journal.
    """
    from optiproxy.cli._quiet_stdout import quiet_stdout
    from optiproxy.cli._say import say
    from optiproxy.cli._trust import stored_study

    study = stored_study(name, storage)
    with quiet_stdout():  # The task's file may be read again, and print.
        written = study.report(out)
    say(written)
    return 0
