"""NAS-Bench-Graph: graph neural networks on five of its data sets, looked up.

26,206 networks of four layers (`spaces.GnnDag`), trained on each data set with its own settings.
Validation accuracy guides the search; test accuracy is only reported. Both are in % and means over
three training seeds. Latency (ms) and parameters (millions) are there to be limited or minimised.

Reference: Qin et al., NAS-Bench-Graph, NeurIPS 2022, https://arxiv.org/abs/2206.09166.
"""

from __future__ import annotations

from optiproxy.spaces import GnnDag
from optiproxy.tasks._benchmark import benchmark
from optiproxy.tasks.table import Table

TABLE = "nasbench_graph"

_CITATION = "Qin et al., NAS-Bench-Graph, NeurIPS 2022, https://arxiv.org/abs/2206.09166"
_COLUMNS = {
    "val_accuracy": "valid_performance",
    "test_accuracy": "test_performance",
    "latency_ms": "latency_s",
    "params_m": "params_m",
}
# The table has fractions and seconds.
_SCALE = {"val_accuracy": 100.0, "test_accuracy": 100.0, "latency_ms": 1000.0}


def computers() -> Table:
    """NAS-Bench-Graph on Amazon Computers."""
    return _task("computers", "Computers")


def cora() -> Table:
    """NAS-Bench-Graph on Cora."""
    return _task("cora", "Cora")


def cs() -> Table:
    """NAS-Bench-Graph on Coauthor CS."""
    return _task("cs", "CS")


def physics() -> Table:
    """NAS-Bench-Graph on Coauthor Physics."""
    return _task("physics", "Physics")


def pubmed() -> Table:
    """NAS-Bench-Graph on PubMed."""
    return _task("pubmed", "PubMed")


def _task(data_set: str, title: str) -> Table:
    space = GnnDag()
    return benchmark(
        TABLE,
        space,
        name=f"nasbench-graph-{data_set}",
        key=space.names,
        columns=_COLUMNS,
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        where={"dataset": data_set},
        scale=_SCALE,
        description=(
            f"NAS-Bench-Graph on {title}: accuracy in %, mean of 3 seeds; latency in ms, "
            "parameters in millions"
        ),
        citation=_CITATION,
        family="nasbench-graph",
    )
