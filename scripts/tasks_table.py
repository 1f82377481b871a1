"""Writes the table of tasks into docs/tasks.md, from the catalogue of tasks.

    python scripts/tasks_table.py [--check]

With ``--check`` nothing is written, and the exit status is 1 where the table is out of date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from optiproxy import tasks

PAGE = Path(__file__).parents[1] / "docs" / "tasks.md"
BEGIN = "<!-- made by scripts/tasks_table.py; a test keeps it true -->\n"
END = "<!-- end of the table -->\n"

# Listed names of a family.
SHOWN = 4


def table() -> str:
    """One row for each family, and for each task without one."""
    families: dict[str, list[tasks.CatalogueRow]] = {}
    for row in tasks.catalogue():
        families.setdefault(row.family or f" {row.name}", []).append(row)
    lines = ["| tasks | architectures | objectives | other metrics |", "|---|---|---|---|"]
    for rows in families.values():
        first = rows[0]
        # The tasks of a family may have different objectives.
        objectives = " or ".join(dict.fromkeys(_code(row.objectives) for row in rows))
        names = [objective.partition("=")[0] for objective in first.objectives]
        others = [m for m in first.metrics if m not in names and m not in first.reported]
        cells = (_names(rows), _size(first), objectives, _code(others))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page with an up-to-date table."""
    text = PAGE.read_text("utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def _names(rows: list[tasks.CatalogueRow]) -> str:
    if len(rows) == 1:
        return f"`{rows[0].name}`"
    family = rows[0].family
    if "DATA-" in family:
        return f"`{family}` ({len(rows)})"
    names = [f"`{rows[0].name}`"]
    short = [row.name.removeprefix(family) for row in rows[1:SHOWN]]
    names += [f"`{name}`" for name in short]
    more = f", … ({len(rows)})" if len(rows) > SHOWN else ""
    return ", ".join(names) + more


def _size(row: tasks.CatalogueRow) -> str:
    if not row.architectures:
        return "its table's"
    return f"{row.architectures:,}" if row.architectures < 10**9 else f"{row.architectures:.0e}"


def _code(names: object) -> str:
    listed = list(names)  # type: ignore[call-overload]
    shown = [f"`{name}`" for name in listed[:5]]
    return ", ".join(shown) + (", …" if len(listed) > 5 else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    wanted = page()
    if parser.parse_args().check:
        return int(PAGE.read_text("utf-8") != wanted)
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
