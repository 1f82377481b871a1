"""Figures and statistics of finished searches, made from plain data alone."""

from optiproxy.report._page import check_page
from optiproxy.report.analysis import Analysis, DifferenceRow, RankRow, SummaryRow, analyse
from optiproxy.report.comparison import comparison_report
from optiproxy.report.convergence import convergence_figure
from optiproxy.report.diagnostics import Diagnosis, diagnose
from optiproxy.report.front import front_figure
from optiproxy.report.hypervolume import hypervolume_figure, hypervolume_so_far
from optiproxy.report.parallel import ParallelRow, parallel_figure, parallel_rows
from optiproxy.report.ranks import rank_figure
from optiproxy.report.search import search_figure
from optiproxy.report.statistics import bootstrap_interval
from optiproxy.report.tables import summary_table

__all__ = [
    "Analysis",
    "Diagnosis",
    "DifferenceRow",
    "ParallelRow",
    "RankRow",
    "SummaryRow",
    "analyse",
    "bootstrap_interval",
    "check_page",
    "comparison_report",
    "convergence_figure",
    "diagnose",
    "front_figure",
    "hypervolume_figure",
    "hypervolume_so_far",
    "parallel_figure",
    "parallel_rows",
    "rank_figure",
    "search_figure",
    "summary_table",
]
