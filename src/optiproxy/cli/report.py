"""``optiproxy report``."""

from __future__ import annotations

from pathlib import Path


def report(name: str, /, *, out: Path = Path("report.html"), storage: str | None = None) -> int:
    """Writes a stored search as one HTML file: found, how, and what to look at.

    Nothing else belongs to the file, and it needs no network. The same search with other seeds in
    the same storage is drawn beside it as a mean with its interval.

    Args:
        name: The study's name.
        out: The file to write.
        storage: Where the study is kept; by default ./NAME.journal.
    """
    from optiproxy.cli._run_study import default_storage
    from optiproxy.study import Study

    print(Study.load(name, storage or default_storage(name)).report(out))
    return 0
