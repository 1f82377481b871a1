"""NAS-Bench-201 with the latency of 29 devices: a task for each data set and device, 87 in all.

Validation accuracy guides the search and latency is there to be limited or minimised; test accuracy
is only reported. Accuracies are in % and those of the `nb201` tasks; latencies are in milliseconds
and of the network for CIFAR-10's images, also where the accuracy is another data set's.

Of the Edge GPU and the Edge TPU there is a sample alone: 1,999 architectures, 1,740 of them with a
latency on the Edge TPU, all among the best 3,000 on CIFAR-10. Their tasks are pools of these.

A limit at a quantile of all architectures, as benchmarks state it, is read off the task:

>>> from optiproxy import tasks
>>> task = tasks.get("hw-nb201-cifar10-raspi4")
>>> limit = task.quantile("latency_ms", 0.3)  # doctest: +SKIP
>>> limited = task.replaced(constraints={"latency_ms": f"<= {limit!r}"})  # doctest: +SKIP

References: Dong and Yang, NAS-Bench-201, ICLR 2020, https://arxiv.org/abs/2001.00326; Lee et al.,
HELP, NeurIPS 2021, https://arxiv.org/abs/2106.08630; Li et al., HW-NAS-Bench, ICLR 2021,
https://arxiv.org/abs/2103.10584 (Raspberry Pi 4, Pixel 3, Eyeriss, FPGA, Edge GPU and Edge TPU).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from optiproxy.errors import unknown
from optiproxy.tables.averaged_rows import Listed, as_written, pool_beside
from optiproxy.tables.benchmark import benchmark
from optiproxy.tables.nasbench201 import cell
from optiproxy.tables.nasbench201.devices import (
    DATA_SETS,
    DEVICES,
    FAMILY,
    SAMPLED,
    SAMPLED_FAMILY,
    TARGETS,
    name,
)
from optiproxy.tables.table import Table

LATENCY, SAMPLE = "nb201_latency_help", "nb201_latency_sample1999"

_HELP = "Lee et al., HELP, NeurIPS 2021, https://arxiv.org/abs/2106.08630"
_HW_NAS_BENCH = "Li et al., HW-NAS-Bench, ICLR 2021, https://arxiv.org/abs/2103.10584"


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
    if device in SAMPLED:
        return _sampled(cell.accuracies(data_set), data_set, device)
    latency = benchmark(
        LATENCY,
        cell.space(),
        name=device,
        key="arch",
        columns={"latency_ms": f"{device}_latency_ms"},
        objectives={"latency_ms": "min"},
        description="",
        citation=_HELP,
    )
    return cell.accuracies(data_set).joined(
        latency,
        name=name(data_set, device),
        description=f"NAS-Bench-201 on {DATA_SETS[data_set]}, latency on {DEVICES[device]}",
        family=FAMILY,
    )


def _sampled(accuracy: Table, data_set: str, device: str) -> Table:
    """The architectures of the sample, with their latency on the device."""
    title, count = SAMPLED[device]
    column = f"{device}_latency_ms"
    latency = Listed(
        accuracy.space,
        SAMPLE,
        key=["arch"],
        read=as_written,
        columns={"latency_ms": column},
        measured=column,
    )
    return pool_beside(
        accuracy,
        latency,
        count,
        name=name(data_set, device),
        description=(
            f"NAS-Bench-201 on {DATA_SETS[data_set]}, latency on {title}: a sample of {count:,} "
            "architectures, all of high accuracy"
        ),
        citation=_HW_NAS_BENCH,
        family=SAMPLED_FAMILY,
    )


def __getattr__(attribute: str) -> Callable[[], Table]:
    # The registry names a function for each task: cifar10_raspi4 and 86 others.
    for data_set in DATA_SETS:
        device = attribute.removeprefix(f"{data_set}_")
        if name(data_set, device) in TARGETS and device != attribute:
            return partial(task, data_set, device)
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
