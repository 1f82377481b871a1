"""NAS-Bench-Macro: eight layers of three kinds on CIFAR-10, looked up.

The benchmark has no validation split: the objective is the test accuracy (in %, mean of three
training seeds), under its own name. Scores from here say how well a method searches, not
how well what it finds would generalise. Parameters and FLOPs are plain counts.

Layers 4 and 5, and layers 7 and 8, may change places where one of them is the identity: the table
lists both, with the same numbers, so that its 6,561 rows are 3,969 networks.

Reference: Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021,
https://doi.org/10.1109/CVPR46437.2021.01082.
"""

from __future__ import annotations

from optiproxy.spaces import Macro
from optiproxy.tables.benchmark import benchmark, rows_of
from optiproxy.tables.table import Table

TABLE = "nasbench_macro"

_CITATION = (
    "Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021, "
    "https://doi.org/10.1109/CVPR46437.2021.01082"
)


def cifar10() -> Table:
    """NAS-Bench-Macro on CIFAR-10."""
    space = Macro()
    columns = {"test_accuracy": "test_accuracy_mean", "params": "params", "flops": "flops"}
    return benchmark(
        TABLE,
        space,
        rows_of(TABLE, space, columns),
        name="nasbench-macro",
        objectives={"test_accuracy": "max"},
        description=(
            "NAS-Bench-Macro on CIFAR-10: test accuracy in %, mean of 3 seeds (there is no "
            "validation split, so the test accuracy is the objective); parameters and FLOPs"
        ),
        citation=_CITATION,
    )
