"""The optimiser, pure ask/tell: no files, no clock, no Optuna."""

from optiproxy.search.base import Optimizer, Query

__all__ = ["Optimizer", "Query"]
