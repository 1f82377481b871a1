"""HW-NAS-Bench in full, from its authors' own file: latency and energy on six devices.

On NAS-Bench-201's cells (``hwnas-DATA-DEVICE``) the accuracies are those of the ``nb201-*`` tasks,
and the costs of a device are there to be limited or minimised: latency in ms, energy in mJ where it
was measured (Edge GPU, Eyeriss, FPGA). Unlike the ``hw-nb201-*`` tasks, costs are of the data set's
own images. The paper of OptiProxy-NAS searches ImageNet16-120 with limits of 2, 4 and 6 ms on Edge
GPU, Raspberry Pi 4 and Pixel 3, and of 1 ms on Edge TPU, Eyeriss and FPGA.

On FBNet's space of 9^22 networks the file has costs and no accuracies: `fbnet` is that space and
`fbnet_costs` its costs, for a task of your own.

Reference: Li et al., HW-NAS-Bench, ICLR 2021, https://arxiv.org/abs/2103.10584.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from optiproxy.errors import DataError, unknown
from optiproxy.spaces import Chain
from optiproxy.tables import store
from optiproxy.tables.benchmark import benchmark, rows_of
from optiproxy.tables.joined_rows import JoinedRows
from optiproxy.tables.nasbench201 import cell
from optiproxy.tables.nasbench201.cell import DATA_SETS
from optiproxy.tables.table import Table

CELLS, BLOCKS = "hw_nas_bench_nb201", "hw_nas_bench_fbnet"

# Device → its name, and whether its energy was measured.
DEVICES = {
    "edgegpu": ("NVIDIA Edge GPU Jetson TX2", True),
    "raspi4": ("Raspberry Pi 4", False),
    "edgetpu": ("Google Edge TPU", False),
    "pixel3": ("Google Pixel 3", False),
    "eyeriss": ("the accelerator Eyeriss", True),
    "fpga": ("FPGA", True),
}

_CITATION = "Li et al., HW-NAS-Bench, ICLR 2021, https://arxiv.org/abs/2103.10584"


def task(data_set: str, device: str) -> Table:
    """NAS-Bench-201 on a data set, with a device's costs."""
    title, has_energy = DEVICES[device]
    columns = {"latency_ms": f"{data_set}_{device}_latency_ms"}
    if has_energy:
        columns["energy_mj"] = f"{data_set}_{device}_energy_mj"
    energy = " and energy in mJ" if has_energy else ""
    return benchmark(
        (cell.TABLE, CELLS),
        cell.space(),
        JoinedRows(cell.accuracies(data_set), rows_of(CELLS, cell.space(), columns)),
        name=cell.name("hwnas", data_set, device),
        objectives={"val_accuracy": "max"},
        reported=["test_accuracy"],
        build=cell.build(data_set),
        description=(
            f"NAS-Bench-201 on {DATA_SETS[data_set]}: accuracy in % after 200 epochs, mean over "
            f"seeds; latency in ms{energy} on {title}, of the same images"
        ),
        citation=(cell.CITATION, _CITATION),
        family="hwnas-DATA-DEVICE",
    )


# ---- FBNet's space ----

# Wu et al., FBNet, CVPR 2019, table 2: expansion, kernel and groups of a block's convolutions.
_BLOCKS = {
    "k3_e1": (1, 3, 1), "k3_e1_g2": (1, 3, 2), "k3_e3": (3, 3, 1), "k3_e6": (6, 3, 1),
    "k5_e1": (1, 5, 1), "k5_e1_g2": (1, 5, 2), "k5_e3": (3, 5, 1), "k5_e6": (6, 5, 1),
}  # fmt: skip
FBNET_BLOCKS = (*_BLOCKS, "skip")
# Table 1: layers and output channels of each stage, and its first layer's stride on each data set.
_STAGES = ((1, 16), (4, 24), (4, 32), (4, 64), (4, 112), (4, 184), (1, 352))
_STEM = 16
# Side of an image, stride of the stem and of each stage, channels of the head, classes.
_FBNET_SETS = {
    "cifar100": (32, 1, (1, 1, 2, 2, 1, 2, 1), 1504, 100),
    "imagenet": (224, 2, (1, 2, 2, 2, 1, 2, 1), 1984, 1000),
}


def fbnet() -> Chain:
    """FBNet's space: a block for each of 22 layers.

    >>> f"{fbnet().count:.2e}"
    '9.85e+20'
    """
    return Chain({f"layer{layer}": FBNET_BLOCKS for layer in range(1, 23)})


def fbnet_costs(data_set: str) -> Callable[[Mapping[str, object]], dict[str, float]]:
    """The costs of a network of `fbnet` on five devices, to be called in an evaluator.

    Args:
        data_set: ``"cifar100"`` or ``"imagenet"``, whose image sizes the costs are of.

    Returns:
        A function of an architecture: ``edgegpu_latency_ms``, ``edgegpu_energy_mj`` and so on, each
        the sum over its blocks, stem and head.

    Raises:
        InvalidValueError: There is no such data set.
        DataError: The table is missing or broken.
    """
    import pyarrow.parquet as pq

    if data_set not in _FBNET_SETS:
        raise unknown("data set", data_set, _FBNET_SETS)
    path = store.find(BLOCKS)
    table = {row.pop("block"): row for row in pq.read_table(path).to_pylist()}
    layers, always = _keys(data_set)
    missing = [key for key in (*always, *(k for ks in layers for k in ks.values()))
               if key not in table]  # fmt: skip
    if missing:
        raise DataError(f"{path}: it has no block {missing[0]}; add HW-NAS-Bench again")
    metrics = tuple(next(iter(table.values())))

    def costs(arch: Mapping[str, object]) -> dict[str, float]:
        chosen = [keys[str(arch[f"layer{i}"])] for i, keys in enumerate(layers, start=1)]
        rows = [table[key] for key in (*always, *chosen)]
        return {metric: sum(row[metric] for row in rows) for metric in metrics}

    return costs


def _keys(data_set: str) -> tuple[list[dict[str, str]], list[str]]:
    """For each layer option → the table's name of it; and the names that every network has."""
    side, stem_stride, strides, head, classes = _FBNET_SETS[data_set]
    always = [f"ConvNorm_H{side}_W{side}_Cin3_Cout{_STEM}_kernel3_stride{stem_stride}_group1"]
    side //= stem_stride
    layers = []
    for channels_in, channels, stride in _layers(strides):
        shape = f"H{side}_W{side}_Cin{channels_in}_Cout{channels}"
        layers.append({
            **{
                name: f"ConvBlock_{shape}_exp{e}_kernel{k}_stride{stride}_group{g}"
                for name, (e, k, g) in _BLOCKS.items()
            },
            "skip": f"Skip_{shape}_stride{stride}",
        })  # fmt: skip
        side //= stride
    last = _STAGES[-1][1]
    always += [
        f"ConvNorm_H{side}_W{side}_Cin{last}_Cout{head}_kernel1_stride1_group1",
        f"AvgP_H{side}_W{side}_Cin{head}_Cout{head}_kernel{side}_stride1",
        f"FC_Cin{head}_Cout{classes}",
    ]
    return layers, always


def _layers(strides: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """Channels in, channels out and stride of each of the 22 layers."""
    before = _STEM
    for (layers, channels), stride in zip(_STAGES, strides, strict=True):
        for layer in range(layers):
            yield before, channels, stride if layer == 0 else 1
            before = channels
