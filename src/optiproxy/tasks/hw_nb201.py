"""NAS-Bench-201 with the latency of 27 devices: 81 tasks, one for each data set and device.

Validation accuracy guides the search and latency is there to be limited or minimised; test accuracy
is only reported. Accuracies are in % and those of the `nb201` tasks; latencies are in milliseconds
and of the network for CIFAR-10's images, also where the accuracy is another data set's.

A limit at a quantile of all architectures, as benchmarks state it, is read off the task:

>>> from optiproxy import tasks
>>> task = tasks.get("hw-nb201-cifar10-raspi4")
>>> limit = task.quantile("latency_ms", 0.3)  # doctest: +SKIP
>>> limited = task.replaced(constraints={"latency_ms": f"<= {limit!r}"})  # doctest: +SKIP

References: Dong and Yang, NAS-Bench-201, ICLR 2020, https://arxiv.org/abs/2001.00326; Lee et al.,
HELP, NeurIPS 2021, https://arxiv.org/abs/2106.08630; Li et al., HW-NAS-Bench, ICLR 2021,
https://arxiv.org/abs/2103.10584 (Raspberry Pi 4, Pixel 3, Eyeriss and FPGA).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from optiproxy.errors import unknown
from optiproxy.tasks import _nb201
from optiproxy.tasks._benchmark import benchmark
from optiproxy.tasks._hw_names import DATA_SETS, DEVICES, FAMILY, TARGETS, name
from optiproxy.tasks.table import Table

LATENCY = "nb201_latency_help"

_CITATION = "Lee et al., HELP, NeurIPS 2021, https://arxiv.org/abs/2106.08630"


def task(data_set: str, device: str) -> Table:
    """NAS-Bench-201 on a data set, with the latency of a device.

    Args:
        data_set: ``"cifar10"``, ``"cifar100"`` or ``"imagenet16_120"``.
        device: A column of the latency table without its ending, such as ``"raspi4"``.

    Raises:
        InvalidValueError: There is no such data set or device.
    """
    for kind, value, known in (("data set", data_set, DATA_SETS), ("device", device, DEVICES)):
        if value not in known:
            raise unknown(kind, value, list(known))
    latency = benchmark(
        LATENCY,
        _nb201.space(),
        name=device,
        key="arch",
        columns={"latency_ms": f"{device}_latency_ms"},
        objectives={"latency_ms": "min"},
        description="",
        citation=_CITATION,
    )
    return _nb201.accuracies(data_set).joined(
        latency,
        name=name(data_set, device),
        description=f"NAS-Bench-201 on {DATA_SETS[data_set]}, latency on {DEVICES[device]}",
        family=FAMILY,
    )


def __getattr__(attribute: str) -> Callable[[], Table]:
    # The registry names a function for each task: cifar10_raspi4 and 80 others.
    for data_set in DATA_SETS:
        device = attribute.removeprefix(f"{data_set}_")
        if name(data_set, device) in TARGETS and device != attribute:
            return partial(task, data_set, device)
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
