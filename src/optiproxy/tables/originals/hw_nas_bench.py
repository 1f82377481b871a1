"""HW-NAS-Bench: ``HW-NAS-Bench-v1_0.pickle``, latency and energy on six devices.

NAS-Bench-201's cells have a list of values for each data set, metric and device; FBNet's networks
are sums over a table of blocks. Latency is in ms, energy in mJ. Two tables: a row for each cell;
and a row for each block of FBNet's table.

Reference: Li et al., HW-NAS-Bench, ICLR 2021, https://openreview.net/forum?id=_0kaDkv3dVf.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optiproxy.errors import DataError
from optiproxy.tables.originals._contents import within
from optiproxy.tables.originals._unpickling import load, plain
from optiproxy.tables.originals.base import Progress, Sheets, head

CELLS, BLOCKS = "hw_nas_bench_nb201", "hw_nas_bench_fbnet"

# Theirs → ours.
DATA_SETS = {"cifar10": "cifar10", "cifar100": "cifar100", "ImageNet16-120": "imagenet16_120"}
# Eyeriss's arithmetic intensity is no cost, and is left out.
METRICS = {
    "edgegpu_latency": "edgegpu_latency_ms", "edgegpu_energy": "edgegpu_energy_mj",
    "raspi4_latency": "raspi4_latency_ms", "edgetpu_latency": "edgetpu_latency_ms",
    "pixel3_latency": "pixel3_latency_ms", "eyeriss_latency": "eyeriss_latency_ms",
    "eyeriss_energy": "eyeriss_energy_mj", "fpga_latency": "fpga_latency_ms",
    "fpga_energy": "fpga_energy_mj",
}  # fmt: skip
# FBNet's blocks were not measured on the Edge TPU.
FBNET = tuple(ours for theirs, ours in METRICS.items() if not theirs.startswith("edgetpu"))


def looks_right(path: Path) -> bool:
    """Whether the file begins as a pickle does."""
    return head(path, 1) == b"\x80"


def convert(path: Path, sheets: Sheets, progress: Progress) -> None:
    """Reads both spaces and writes both tables.

    Raises:
        DataError: The file is cut short, names what could run code, or is another one.
    """
    progress("reading", 0.0)
    with open(path, "rb") as file:
        whole = load(file)
    with within(fault="it is not HW-NAS-Bench's"):
        cells, blocks = whole["nasbench201"], whole["fbnet"]
        columns = {
            f"{ours}_{metric}": [_number(v) for v in plain(cells[theirs][name])]
            for theirs, ours in DATA_SETS.items()
            for name, metric in METRICS.items()
        }
        configs = plain(cells["cifar10"]["config"])
        listed = configs.values() if isinstance(configs, dict) else configs
        archs = [str(config["arch_str"]) for config in listed]
        costs = {theirs: blocks[theirs] for theirs, ours in METRICS.items() if ours in FBNET}
        keys = list(dict.fromkeys(key for table in costs.values() for key in table))
        rows = [[str(k), *(_number(t.get(k)) for t in costs.values())] for k in keys]
    if {len(values) for values in columns.values()} != {len(archs)}:
        raise DataError("its lists of cells and of measurements differ in length")
    progress("cells", 0.5)
    sheet = sheets.new(
        CELLS, {"arch_index": "int32", "arch": "string", **dict.fromkeys(columns, "float64")}
    )
    for index, (arch, *values) in enumerate(zip(archs, *columns.values(), strict=True)):
        sheet.add(index, arch, *values)
    sheet = sheets.new(BLOCKS, {"block": "string", **dict.fromkeys(FBNET, "float64")})
    for row in rows:
        sheet.add(*row)


def _number(value: Any) -> float | None:
    """A measurement; None where there is none (-1 marks it)."""
    if value is None:
        return None
    number = float(value)
    return number if number >= 0 else None
