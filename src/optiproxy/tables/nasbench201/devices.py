"""The names of the tasks with NAS-Bench-201's measured latencies: values only."""

from __future__ import annotations

#: As the columns of the table spell them, and as they are read.
DATA_SETS = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "imagenet16_120": "ImageNet16-120",
}
#: Device → what it is; "batch N" where the table has several sizes of batch.
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
#: Those of which a sample was published: device → what it is, and how many architectures.
SAMPLED = {"edgegpu": ("Edge GPU (Jetson TX2)", 1999), "edgetpu": ("Edge TPU", 1740)}
FAMILY, SAMPLED_FAMILY = "hw-nb201-DATA-DEVICE", "hw-nb201-DATA-EDGE"


def name(data_set: str, device: str) -> str:
    """The task's."""
    return f"hw-nb201-{data_set.replace('_', '-')}-{device}"


#: Task → what makes it, for the registry.
TARGETS = {
    name(data_set, device): f"optiproxy.tables.nasbench201.latency:{data_set}_{device}"
    for devices in (DEVICES, SAMPLED)
    for data_set in DATA_SETS
    for device in devices
}
