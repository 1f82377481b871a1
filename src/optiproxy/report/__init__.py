"""Figures and statistics of finished searches, made from plain data alone."""

from optiproxy.report.convergence import convergence_figure
from optiproxy.report.search import search_figure
from optiproxy.report.statistics import mean_interval

__all__ = ["convergence_figure", "mean_interval", "search_figure"]
