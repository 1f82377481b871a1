"""Accel-NASBench: MnasNet's space on ImageNet, with the speed on six accelerators.

Seven blocks, each with an expansion, a kernel, a number of layers, and squeeze-and-excitation or
not. The table is a sample of the space, so the task is a pool. Accuracies are in %, of one training
with the benchmark's shortened schedule ("training proxy"): lower than after a full training.

Reference: Ahmad et al., Accel-NASBench, DAC 2024, https://arxiv.org/abs/2404.08005.
"""

from __future__ import annotations

from optiproxy.spaces import Chain
from optiproxy.tables.averaged_rows import AveragedRows, from_choices
from optiproxy.tables.benchmark import sample
from optiproxy.tables.table import Table

TABLE = "accel_nasbench"
# Of 5,138 rows; the others are architectures that were measured again.
NETWORKS = 5125

_CITATION = "Ahmad et al., Accel-NASBench, DAC 2024, https://arxiv.org/abs/2404.08005"
_ACCELERATORS = ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")


def space() -> Chain:
    """The 28 choices, named as the table's columns: ``block0_e, block0_k, block0_l, block0_se``.

    >>> space().count
    104485552128
    """
    choices: dict[str, tuple[int | bool, ...]] = {}
    for block in range(7):
        choices[f"block{block}_e"] = (1, 4, 6)
        choices[f"block{block}_k"] = (3, 5)
        # The last stage but one may have four layers.
        choices[f"block{block}_l"] = (1, 2, 3, 4) if block == 5 else (1, 2, 3)
        choices[f"block{block}_se"] = (False, True)
    return Chain(choices)


def imagenet() -> Table:
    """Accel-NASBench on ImageNet."""
    chain = space()
    rows = AveragedRows(
        chain,
        TABLE,
        key=chain.names,
        read=from_choices,
        columns={
            "val_accuracy": "val_top1",
            "val_top5": "val_top5",
            "params_m": "params_m",
            "macs_m": "macs_m",
            "train_seconds": "train_time_s",
            "latency_zcu102_ms": "latency_zcu102_ms",
            "latency_vck190_ms": "latency_vck190_ms",
            **{
                f"throughput_{name}_img_per_s": f"throughput_{name}_img_per_s"
                for name in _ACCELERATORS
            },
        },
        count=NETWORKS,
    )
    return sample(
        rows,
        name="accel-nasbench",
        objectives={"val_accuracy": "max"},
        description=(
            "Accel-NASBench on ImageNet: validation top-1 in % after the benchmark's shortened "
            "training, one seed; speed on six accelerators, parameters and MACs in millions"
        ),
        citation=_CITATION,
    )
