"""NAS-Bench-Graph: graph neural networks on five of its data sets, looked up.

26,206 networks of four layers (`spaces.GnnDag`), trained on each data set with its own settings.
Validation accuracy guides the search; test accuracy is only reported. Both are in % and means over
three training seeds. Latency (ms) and parameters (millions) are there to be limited or minimised.

Reference: Qin et al., NAS-Bench-Graph, NeurIPS 2022, https://arxiv.org/abs/2206.09166.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from optiproxy.spaces import GnnDag
from optiproxy.tables.benchmark import benchmark, rows_of
from optiproxy.tables.table import Table

if TYPE_CHECKING:
    from torch import Tensor

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


@dataclass(frozen=True)
class _DataSet:
    """A data set and the settings of its networks: the paper's table of hyper-parameters.

    In Physics the paper has a layer after; the numbers of parameters in its table say that there
    is none.
    """

    title: str
    features: int
    classes: int
    width: int
    before: bool
    after: bool
    dropout: float


_DATA_SETS = {
    "computers": _DataSet("Computers", 767, 10, 64, True, True, 0.1),
    "cora": _DataSet("Cora", 1433, 7, 256, False, True, 0.7),
    "cs": _DataSet("CS", 6805, 15, 128, True, False, 0.6),
    "physics": _DataSet("Physics", 8415, 5, 256, True, False, 0.4),
    "pubmed": _DataSet("PubMed", 500, 3, 128, False, False, 0.3),
}


def task(data_set: str) -> Table:
    """NAS-Bench-Graph on a data set; its networks are built with that one's settings."""
    settings = asdict(_DATA_SETS[data_set])
    title = settings.pop("title")
    space = GnnDag()
    return benchmark(
        TABLE,
        space,
        rows_of(TABLE, space, _COLUMNS, key=space.names, where={"dataset": data_set}, scale=_SCALE),
        name=f"nasbench-graph-{data_set}",
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        build=partial(space.build, **settings),
        example_input=partial(_example, settings["features"]),
        description=(
            f"NAS-Bench-Graph on {title}: accuracy in %, mean of 3 seeds; latency in ms, "
            "parameters in millions"
        ),
        citation=_CITATION,
        family="nasbench-graph",
    )


def _example(features: int) -> tuple[Tensor, Tensor]:
    """A network's input: the features of a ring of 16 vertices, and its edges both ways."""
    import torch

    vertex = torch.arange(16)
    there = torch.stack([vertex, vertex.roll(-1)])
    return torch.zeros(16, features), torch.cat([there, there.flip(0)], 1)
