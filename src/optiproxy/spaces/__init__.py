"""Search spaces, one file each; `base.Space` is their interface."""

from optiproxy.spaces._check import check
from optiproxy.spaces.architecture import Architecture, GraphTemplate, Option
from optiproxy.spaces.base import Space
from optiproxy.spaces.cell import NB201_OPERATIONS, Cell
from optiproxy.spaces.chain import Chain
from optiproxy.spaces.conditional import Conditional
from optiproxy.spaces.darts import DARTS_OPERATIONS, Darts
from optiproxy.spaces.gnn import NAS_BENCH_GRAPH_OPERATIONS, GnnDag
from optiproxy.spaces.graph import NB101_OPERATIONS, Graph
from optiproxy.spaces.macro import MACRO_BLOCKS, Macro
from optiproxy.spaces.numbers import Float, Int
from optiproxy.spaces.pool import Pool
from optiproxy.spaces.recurrent import Recurrent

__all__ = [
    "DARTS_OPERATIONS", "MACRO_BLOCKS", "NAS_BENCH_GRAPH_OPERATIONS", "NB101_OPERATIONS",
    "NB201_OPERATIONS", "Architecture", "Cell", "Chain", "Conditional", "Darts", "Float", "GnnDag",
    "Graph", "GraphTemplate", "Int", "Macro", "Option", "Pool", "Recurrent", "Space", "check",
]  # fmt: skip
