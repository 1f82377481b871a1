"""NAS-Bench-201 with the latency of 29 devices: a task for each data set and device, 87 in all.

The objective is the validation accuracy, and latency is there to be limited or minimised; test
accuracy is only reported. Accuracies are in % and those of the `nb201` tasks; latencies are in
milliseconds and of the network for CIFAR-10's images, also where the accuracy is another data
set's.

The Edge GPU and the Edge TPU have a sample alone: 1,999 architectures, 1,740 of them with a
latency on the Edge TPU, all among the best 3,000 on CIFAR-10. Their tasks are pools of these.

A limit at a quantile of all architectures, as benchmarks state it:

>>> from optiproxy import tasks
>>> task = tasks.get("hw-nb201-cifar10-raspi4")
>>> limit = task.quantile("latency_ms", 0.3)  # doctest: +SKIP
>>> limited = task.replaced(constraints={"latency_ms": f"<= {limit!r}"})  # doctest: +SKIP

References: Dong and Yang, NAS-Bench-201, ICLR 2020, https://arxiv.org/abs/2001.00326; Lee et al.,
HELP, NeurIPS 2021, https://arxiv.org/abs/2106.08630; Li et al., HW-NAS-Bench, ICLR 2021,
https://arxiv.org/abs/2103.10584 (Raspberry Pi 4, Pixel 3, Eyeriss, FPGA, Edge GPU and Edge TPU).
"""

from __future__ import annotations

from optiproxy.errors import unknown
from optiproxy.spaces import Pool, Space
from optiproxy.tables.averaged_rows import AveragedRows, as_written
from optiproxy.tables.benchmark import benchmark, rows_of
from optiproxy.tables.joined_rows import JoinedRows
from optiproxy.tables.nasbench201 import cell
from optiproxy.tables.nasbench201.cell import DATA_SETS
from optiproxy.tables.rows import ListedRows
from optiproxy.tables.table import Table

LATENCY, SAMPLE = "nb201_latency_help", "nb201_latency_sample1999"

_HELP = "Lee et al., HELP, NeurIPS 2021, https://arxiv.org/abs/2106.08630"
_HW_NAS_BENCH = "Li et al., HW-NAS-Bench, ICLR 2021, https://arxiv.org/abs/2103.10584"

#: Device → its title; "batch N" where the table has several sizes of batch.
DEVICES = {
    "1080ti_1": "GTX 1080 Ti, batch 1",
    "1080ti_32": "GTX 1080 Ti, batch 32",
    "1080ti_256": "GTX 1080 Ti, batch 256",
    "2080ti_1": "RTX 2080 Ti, batch 1",
    "2080ti_32": "RTX 2080 Ti, batch 32",
    "2080ti_256": "RTX 2080 Ti, batch 256",
    "titan_rtx_1": "Titan RTX, batch 1",
    "titan_rtx_32": "Titan RTX, batch 32",
    "titan_rtx_256": "Titan RTX, batch 256",
    "titanx_1": "Titan X, batch 1",
    "titanx_32": "Titan X, batch 32",
    "titanx_256": "Titan X, batch 256",
    "titanxp_1": "Titan Xp, batch 1",
    "titanxp_32": "Titan Xp, batch 32",
    "titanxp_256": "Titan Xp, batch 256",
    "gold_6226": "Xeon Gold 6226",
    "gold_6240": "Xeon Gold 6240",
    "silver_4114": "Xeon Silver 4114",
    "silver_4210r": "Xeon Silver 4210R",
    "essential_ph_1": "Essential Phone 1",
    "pixel2": "Pixel 2",
    "pixel3": "Pixel 3",
    "samsung_a50": "Samsung A50",
    "samsung_s7": "Samsung S7",
    "raspi4": "Raspberry Pi 4",
    "eyeriss": "Eyeriss",
    "fpga": "FPGA",
}
#: Devices with a sample alone → title, and how many architectures.
SAMPLED = {"edgegpu": ("Edge GPU (Jetson TX2)", 1999), "edgetpu": ("Edge TPU", 1740)}


def task(data_set: str, device: str) -> Table:
    """NAS-Bench-201 on a data set, with the latency of a device.

    Args:
        data_set: ``"cifar10"``, ``"cifar100"`` or ``"imagenet16_120"``.
        device: A column of a latency table without its ending, such as ``"raspi4"``; of
            ``"edgegpu"`` and ``"edgetpu"`` there is a sample, and the task is a pool.

    Raises:
        InvalidValueError: There is no such data set or device.
    """
    devices = (*DEVICES, *SAMPLED)
    for kind, value, known in (("data set", data_set, DATA_SETS), ("device", device, devices)):
        if value not in known:
            raise unknown(kind, value, list(known))
    column = f"{device}_latency_ms"
    space = cell.space()
    if device in SAMPLED:
        title, count = SAMPLED[device]
        latency = AveragedRows(
            space,
            SAMPLE,
            key=["arch"],
            read=as_written,
            columns={"latency_ms": column},
            needed=column,
            count=count,
        )
        return _task(
            data_set,
            device,
            SAMPLE,
            Pool(space, latency),
            latency,
            f"{title}: a sample of {count:,} architectures, all of high accuracy",
        )
    rows = rows_of(LATENCY, space, {"latency_ms": column})
    return _task(data_set, device, LATENCY, space, rows, DEVICES[device])


def _task(
    data_set: str, device: str, table: str, space: Space, latency: ListedRows, title: str
) -> Table:
    return benchmark(
        (cell.TABLE, table),
        space,
        JoinedRows(cell.accuracies(data_set), latency),
        name=cell.name("hw-nb201", data_set, device),
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        build=cell.build(data_set),
        description=f"NAS-Bench-201 on {DATA_SETS[data_set]}, latency on {title}",
        citation=(cell.CITATION, _HW_NAS_BENCH if device in SAMPLED else _HELP),
        family="hw-nb201-DATA-EDGE" if device in SAMPLED else "hw-nb201-DATA-DEVICE",
    )
