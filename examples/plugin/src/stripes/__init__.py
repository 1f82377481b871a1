"""What this package adds to OptiProxy; `pyproject.toml` gives it names."""

from stripes.method import Neighbours
from stripes.proxy import Ridge
from stripes.score import output_spread
from stripes.space import Strided
from stripes.task import task

__all__ = ["Neighbours", "Ridge", "Strided", "output_spread", "task"]
