"""``optiproxy data list`` and ``optiproxy data add``."""

from __future__ import annotations


def list_tables() -> None:
    """Lists the published tables that are known, and which of them are here."""
    from optiproxy.tasks import data

    rows = data.listing()
    width = max(len(row.table.name) for row in rows)
    for row in rows:
        known = row.table
        where = "" if row.path is None else f": {row.path}"
        print(f"{known.name:<{width}}  {row.status}{where}")
        print(f"  {known.description}; {known.rows:,} rows")
        print(f"  {known.file} from {known.source}; licence: {known.licence}\n")
    if any(row.status != "here" for row in rows):
        print(f"Add them: optiproxy data add FOLDER, or set {data.VARIABLE} to a folder.")


def add(folder: str, /) -> None:
    """Adds published tables to your own data folder, after checking them.

    Args:
        folder: A folder that has them, or one file.
    """
    from optiproxy.tasks import data

    for name, path in data.add(folder):
        print(f"{name}: {path}")
