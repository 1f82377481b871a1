"""What may be chosen. A space is one file here; see `base.Space` for what it has to say."""

from optiproxy.spaces.base import Architecture, GraphTemplate, Option, Space
from optiproxy.spaces.cell import NB201_OPERATIONS, Cell
from optiproxy.spaces.chain import Chain
from optiproxy.spaces.gnn import NAS_BENCH_GRAPH_OPERATIONS, GnnDag
from optiproxy.spaces.graph import NB101_OPERATIONS, Graph

__all__ = [
    "NAS_BENCH_GRAPH_OPERATIONS", "NB101_OPERATIONS", "NB201_OPERATIONS", "Architecture", "Cell", "Chain", "GnnDag",
    "Graph", "GraphTemplate", "Option", "Space",
]  # fmt: skip
