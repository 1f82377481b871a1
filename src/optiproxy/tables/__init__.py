"""Tasks that answer by look-up: the rows, where the files lie, and one file for each benchmark.

Importing this package loads neither torch nor pyarrow, and reads no data.
"""

from optiproxy.tables import store
from optiproxy.tables.catalogue import CatalogueRow, catalogue
from optiproxy.tables.table import Table

__all__ = ["CatalogueRow", "Table", "catalogue", "store"]
