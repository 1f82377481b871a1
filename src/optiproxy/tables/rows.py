"""The rows behind a table's task: an evaluator that can list itself.

Each kind of rows is a class of its own: `parquet_rows.ParquetRows` reads a file with one row for
each architecture, `averaged_rows.AveragedRows` the rows of a sample, `joined_rows.JoinedRows` two
tables of the same architectures, `fidelity_rows.FidelityRows` short and full trainings.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from optiproxy.tasks.rows import Rows

__all__ = ["ListedRows", "Rows"]


@runtime_checkable
class ListedRows(Rows, Protocol):
    """Rows that say which architecture each one is, so that two tables can be joined."""

    def row_of(self) -> dict[bytes, int]:
        """Option numbers of an architecture, as bytes → its row in `values`."""
