"""Tasks that answer by look-up: the rows, where the files lie, and one file for each benchmark.

Importing this package loads neither torch nor pyarrow, and reads no data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optiproxy._lazy import lazy

if TYPE_CHECKING:
    from optiproxy.tables import store
    from optiproxy.tables.catalogue import CatalogueRow
    from optiproxy.tables.table import Table

__all__ = ["CatalogueRow", "Table", "store"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        f"{__name__}.catalogue": ["CatalogueRow"],
        f"{__name__}.table": ["Table"],
        __name__: ["store"],
    },
)
