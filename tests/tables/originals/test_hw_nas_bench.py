"""HW-NAS-Bench's pickle, written here in the published layout."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import DataError
from optiproxy.tables import originals

ARCHS = ["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "|skip_connect~0|+|none~0|none~1|+|…|"]
METRICS = [
    "edgegpu_latency", "edgegpu_energy", "raspi4_latency", "edgetpu_latency", "pixel3_latency",
    "eyeriss_latency", "eyeriss_energy", "eyeriss_arithmetic_intensity", "fpga_latency",
    "fpga_energy",
]  # fmt: skip
STEM = "ConvNorm_H32_W32_Cin3_Cout16_kernel3_stride1_group1"
SKIP = "Skip_H32_W32_Cin16_Cout16_stride1"


def whole() -> dict[str, Any]:
    """Metric m of cell i on data set d is 100 d + 10 m + i; of the block b 10 m + b."""
    cells: dict[str, Any] = {}
    for d, data_set in enumerate(["cifar10", "cifar100", "ImageNet16-120"]):
        cells[data_set] = {
            "config": [{"name": "infer.tiny", "C": 16, "N": 5, "arch_str": a} for a in ARCHS],
            **{m: np.array([100 * d + 10 * k, 100 * d + 10 * k + 1.0])
               for k, m in enumerate(METRICS)},
        }  # fmt: skip
    cells["cifar10"]["edgetpu_latency"] = [-1, 31.0]  # -1: it could not be compiled
    blocks = {
        m: {STEM: np.float64(10 * k), SKIP: 10 * k + 1.0}
        for k, m in enumerate(METRICS) if m not in ("edgetpu_latency", METRICS[7])
    }  # fmt: skip
    return {"nasbench201": cells, "fbnet": blocks}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "HW-NAS-Bench-v1_0.pickle"


def test_both_spaces_are_read(path: Path, convert) -> None:
    path.write_bytes(pickle.dumps(whole(), protocol=3))
    assert originals.recognise(path) == originals.original("hw-nas-bench")
    tables = convert("hw-nas-bench", path)
    first, second = tables["hw_nas_bench_nb201"]
    assert (first["arch_index"], first["arch"]) == (0, ARCHS[0])
    assert len(first) == 2 + 3 * 9
    assert first["cifar10_edgegpu_latency_ms"] == 0
    assert second["cifar10_edgegpu_energy_mj"] == 11
    assert second["cifar100_raspi4_latency_ms"] == 121
    assert second["imagenet16_120_fpga_energy_mj"] == 291
    assert first["cifar10_edgetpu_latency_ms"] is None
    assert second["cifar10_edgetpu_latency_ms"] == 31
    assert first["cifar100_edgetpu_latency_ms"] == 130
    stem, skip = tables["hw_nas_bench_fbnet"]
    assert (stem["block"], skip["block"]) == (STEM, SKIP)
    assert len(stem) == 1 + 8
    assert (stem["eyeriss_energy_mj"], skip["pixel3_latency_ms"]) == (60, 41)


def test_hostile_truncated_and_other_files_are_refused(
    path: Path, convert, hostile, nothing_left, tmp_path: Path
) -> None:
    content = pickle.dumps(whole())
    short = whole()
    short["nasbench201"]["cifar100"]["fpga_energy"] = [1.0]
    lacking = whole()
    del lacking["fbnet"]["raspi4_latency"]
    for given, message in (
        (pickle.dumps({**whole(), "fbnet": hostile}), "could run code"),
        (content[:-20], "cut short"),
        (pickle.dumps({"nasbench201": {}}), r"not HW-NAS-Bench's \(KeyError: 'fbnet'\)"),
        (pickle.dumps(lacking), "raspi4_latency"),
        (pickle.dumps(short), "differ in length"),
    ):
        path.write_bytes(given)
        with pytest.raises(DataError, match=message):
            convert("hw-nas-bench", path)
        assert nothing_left()
    assert not (tmp_path / "it-ran").exists()
