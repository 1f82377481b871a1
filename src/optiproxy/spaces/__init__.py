"""What may be chosen. A space is one file here; see `base.Space` for what it has to say."""

from optiproxy.spaces.base import Architecture, GraphTemplate, Option, Space
from optiproxy.spaces.cell import NB201_OPERATIONS, Cell
from optiproxy.spaces.chain import Chain

__all__ = ["NB201_OPERATIONS", "Architecture", "Cell", "Chain", "GraphTemplate", "Option", "Space"]
