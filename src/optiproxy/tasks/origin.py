"""Where a task's numbers come from: source, licence, publication."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """Where a task's numbers come from, as ``optiproxy tasks`` tells it.

    Attributes:
        source: The package, repository or measurement.
        licence: The licence of the source; "none stated" where it has none.
        citation: The publication.
        table: The published table that has to be here (a name of `tasks.data`), or several with
            commas between them; empty where nothing has to be fetched.
        family: A name for tasks that differ in data set or device alone, which are listed together.
    """

    source: str = ""
    licence: str = ""
    citation: str = ""
    table: str = ""
    family: str = ""

    @property
    def tables(self) -> tuple[str, ...]:
        """The published tables, one by one."""
        return tuple(name.strip() for name in self.table.split(",") if name.strip())

    def joined(self, other: Origin, family: str = "") -> Origin:
        """The origin of numbers of which some come from here and some from `other`."""

        def both(ours: str, theirs: str) -> str:
            return "; ".join(dict.fromkeys((ours, theirs)))

        return Origin(
            both(self.source, other.source),
            both(self.licence, other.licence),
            both(self.citation, other.citation),
            ", ".join((*self.tables, *other.tables)),
            family,
        )
