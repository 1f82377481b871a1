"""The registered tasks, by name. A new task is one new file and one line here."""

from __future__ import annotations

from collections.abc import Iterable

from optiproxy.registry import Registry

_NB201_DATA = ("cifar10", "cifar100", "imagenet16_120")
# Of NAS-Bench-201's measured latencies; the last two have a sample alone.
_NB201_DEVICES = (
    "1080ti_1", "1080ti_32", "1080ti_256", "2080ti_1", "2080ti_32", "2080ti_256",
    "titan_rtx_1", "titan_rtx_32", "titan_rtx_256", "titanx_1", "titanx_32", "titanx_256",
    "titanxp_1", "titanxp_32", "titanxp_256", "gold_6226", "gold_6240", "silver_4114",
    "silver_4210r", "essential_ph_1", "pixel2", "pixel3", "samsung_a50", "samsung_s7", "raspi4",
    "eyeriss", "fpga", "edgegpu", "edgetpu",
)  # fmt: skip
_MR_SETTINGS = (
    "cls-10-1000", "cls-10c", "cls-50-100", "cls-50-1000", "seg", "seg-4x", "video", "video-p",
)  # fmt: skip
_HWGPT_DEVICES = (
    "a100", "h100", "rtx2080", "rtx3080", "a6000", "a40", "v100", "P100", "cpu_mlgpu", "cpu_meta",
    "helix_cpu", "cpu_alldlc", "cpu_a6000", "cpu_p100",
)  # fmt: skip
_HW_NAS_BENCH = ("edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga")
_TRANSNAS = (
    "class_scene", "class_object", "room_layout", "jigsaw", "segmentsemantic", "normal",
    "autoencoder",
)  # fmt: skip


def _family(name: str, function: str, arguments: Iterable[str], first: str = "") -> dict[str, str]:
    """A task NAME-ARGUMENT for each argument of a function in `optiproxy.tables`.

    `first` is the function's first argument, where it takes two.
    """
    before = f"{first}, " if first else ""
    return {
        _name(name, argument): f"optiproxy.tables.{function}({before}{argument})"
        for argument in arguments
    }


def _name(*parts: str) -> str:
    return "-".join(part.replace("_", "-").lower() for part in parts)


TASKS = Registry(
    "task",
    {
        "accel-nasbench": "optiproxy.tables.accel_nasbench:imagenet",
        **_family("hwgpt-s", "hwgpt:task", _HWGPT_DEVICES),
        "mnist1d": "optiproxy.tasks.mnist1d:task",
        "mnist1d-table": "optiproxy.tables.mnist1d:task",
        **_family(
            "nasbench-graph",
            "nasbench_graph:task",
            ("computers", "cora", "cs", "physics", "pubmed"),
        ),
        "nasbench-macro": "optiproxy.tables.nasbench_macro:cifar10",
        **_family(
            "nasbench-mr",
            "nasbench_mr:task",
            _MR_SETTINGS,
        ),
        "nasbench-nlp-ptb": "optiproxy.tables.nasbench_nlp:ptb",
        "nasbench-nlp-wikitext2": "optiproxy.tables.nasbench_nlp:wikitext2",
        "nb101-cifar10": "optiproxy.tables.nasbench101:cifar10",
        "nb101-sample": "optiproxy.tables.nasbench101:sample",
        **_family("nb201", "nasbench201.accuracy:task", _NB201_DATA),
        **_family("nb201-12epochs", "nasbench201.costs:twelve_epochs", _NB201_DATA),
        **_family("nb201-costs", "nasbench201.costs:costs", _NB201_DATA),
        **_family("nb201-runs", "nasbench201.costs:runs", _NB201_DATA),
        **_family("nb201-v1-0", "nasbench201.nats:task", _NB201_DATA, "nb201_v1_0"),
        **_family("nb201-v1-1", "nasbench201.nats:task", _NB201_DATA, "nb201_v1_1"),
        **_family("nats-tss", "nasbench201.nats:task", _NB201_DATA, "nats_tss"),
        "nb301-cifar10": "optiproxy.tables.nasbench301:cifar10",
        "oncenas-cifar10": "optiproxy.tables.oncenas:cifar10",
        "spikenas-cifar10": "optiproxy.tables.spikenas:cifar10",
        "spikenas-curves-cifar10": "optiproxy.tables.spikenas:curves_cifar10",
        **_family("transnas-micro", "transnas:micro", _TRANSNAS),
        **_family("transnas-macro", "transnas:macro", _TRANSNAS),
        **{
            f"hw-nb201-{_name(data_set)}-{device}": (
                f"optiproxy.tables.nasbench201.latency:task({data_set}, {device})"
            )
            for devices in (_NB201_DEVICES[:-2], _NB201_DEVICES[-2:])
            for data_set in _NB201_DATA
            for device in devices
        },
        **{
            _name("hwnas", data_set, device): (
                f"optiproxy.tables.nasbench201.hw_nas_bench:task({data_set}, {device})"
            )
            for data_set in _NB201_DATA
            for device in _HW_NAS_BENCH
        },
    },
    group="optiproxy.tasks",
)
