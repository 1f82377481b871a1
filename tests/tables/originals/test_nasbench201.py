"""NAS-Bench-201's and NATS-Bench's files, written here in the published layout."""

from __future__ import annotations

import bz2
import io
import pickle
import tarfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optiproxy.errors import DataError
from optiproxy.tables import originals

ARCHS = [
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
]  # fmt: skip
SETS = {
    "cifar10-valid": ["x-valid", "ori-test"],
    "cifar10": ["ori-test"],
    "cifar100": ["ori-test", "x-valid", "x-test"],
    "ImageNet16-120": ["ori-test", "x-valid", "x-test"],
}


def run(training: str, seed: int, epochs: int, level: float) -> dict[str, Any]:
    """`ResultsCount.state_dict()`: one training; accuracy rises by 1 with each epoch to `level`."""
    sets = SETS[training]
    keys = [(name, e) for name in sets for e in range(epochs)]
    offset = {"x-valid": 0.0, "x-test": 1.0, "ori-test": 2.0}
    return {
        "name": "", "net_state_dict": None,
        "train_acc1es": OrderedDict((e, 50.0) for e in range(epochs)),
        "train_acc5es": OrderedDict((e, 90.0) for e in range(epochs)),
        "train_losses": OrderedDict((e, 1.0) for e in range(epochs)),
        "train_times": OrderedDict((e, 2.5) for e in range(epochs)),
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": "x", "class_num": 10},
        "params": 0.5 + seed / 1000, "flop": np.float64(15.5), "seed": seed, "epochs": epochs,
        "latency": [0.02, 0.04] if training == "cifar10" else None,
        "eval_names": sets,
        "eval_acc1es": {f"{n}@{e}": level + offset[n] + e + 1 - epochs for n, e in keys},
        "eval_times": {f"{n}@{e}": 0.1 for n, e in keys},
        "eval_losses": {f"{n}@{e}": 1.0 for n, e in keys},
    }  # fmt: skip


def results(index: int, epochs: int, seeds: dict[str, list[int]]) -> dict[str, Any]:
    """`ArchResults.state_dict()`: level 60 and the seed's last digit, 40 for the second cell."""
    level = {0: 60.0, 1: 40.0}[index]
    return {
        "arch_index": index, "arch_str": ARCHS[index], "clear_net_done": True,
        "dataset_seed": seeds,
        "all_results": {
            (training, seed): run(training, seed, epochs, level + seed % 10)
            for training, listed in seeds.items() for seed in listed
        },
    }  # fmt: skip


FULL = {"cifar10-valid": [777, 888], "cifar10": [777], "cifar100": [777, 999],
        "ImageNet16-120": [888]}  # fmt: skip
LESS = {"cifar10-valid": [777]}


def whole(less: str, full: str) -> dict[str, Any]:
    return {
        "meta_archs": ARCHS,
        "evaluated_indexes": {0, 1},
        "arch2infos": {
            i: {less: results(i, 12, LESS), full: results(i, 200, FULL)} for i in range(2)
        },
        "total_archs": 2,
    }


def check(tables: dict[str, list[dict[str, Any]]], edition: str) -> None:
    """Means over the listed seeds, of the last epoch; what was not measured is empty."""
    assert set(tables) == {edition, f"{edition}_runs"}
    first, second = tables[edition]
    assert (first["arch_index"], first["arch"]) == (0, ARCHS[0])
    assert (second["arch_index"], second["arch"]) == (1, ARCHS[1])
    assert first["cifar10_val_accuracy_200epochs"] == (67 + 68) / 2
    assert first["cifar10_test_accuracy_200epochs"] == 67 + 2
    assert first["cifar100_val_accuracy_200epochs"] == (67 + 69) / 2
    assert first["cifar100_test_accuracy_200epochs"] == (67 + 69) / 2 + 1
    assert first["imagenet16_120_test_accuracy_200epochs"] == 68 + 1
    assert second["imagenet16_120_val_accuracy_200epochs"] == 48
    assert first["cifar10_val_accuracy_12epochs"] == 67
    assert first["cifar10_test_accuracy_12epochs"] is None
    assert first["cifar10_train_seconds_200epochs"] == 500
    assert first["cifar10_latency_ms"] == pytest.approx(30)
    assert first["cifar100_latency_ms"] is None
    assert first["cifar100_params_m"] == pytest.approx(0.5 + (777 + 999) / 2000)
    assert first["cifar100_flops_m"] == 15.5
    runs = tables[f"{edition}_runs"]
    assert len(runs) == 2 * (1 + 6)
    [one] = [r for r in runs if r["arch_index"] == 0 and r["seed"] == 999]
    assert one == {
        "arch_index": 0, "training": "cifar100", "epochs": 200, "seed": 999, "val_accuracy": 69.0,
        "test_accuracy": 70.0, "train_seconds": 500.0,
    }  # fmt: skip


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("version", ["v1_0-e61699", "v1_1-096897"])
def test_pth(tmp_path: Path, convert, version: str, zipped: bool) -> None:
    path = tmp_path / f"NAS-Bench-201-{version}.pth"
    torch.save(whole("less", "full"), path, _use_new_zipfile_serialization=zipped)
    known = originals.recognise(path)
    assert known is not None
    check(convert(known.name, path), f"nb201_{version[:4]}")


def archive(folder: Path) -> Path:
    """NATS-Bench's folder: a bz2 pickle of protocol 4 for each cell, and the list of cells."""
    folder.mkdir()
    everything = whole("12", "200")
    for index, schedules in everything.pop("arch2infos").items():
        content = bz2.compress(pickle.dumps(schedules, protocol=4))
        (folder / f"{index:06d}.pickle.pbz2").write_bytes(content)
    (folder / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(everything, protocol=4)))
    return folder


def test_nats_folder_tar_and_file(tmp_path: Path, convert) -> None:
    folder = archive(tmp_path / "NATS-tss-v1_0-3ffb9-simple")
    assert originals.recognise(folder) == originals.original("nats-tss")
    check(convert("nats-tss", folder), "nats_tss")
    tar = tmp_path / "NATS-tss-v1_0-3ffb9-simple.tar"
    with tarfile.open(tar, "w") as writing:
        writing.add(folder, folder.name)
    assert originals.recognise(tar) == originals.original("nats-tss")
    check(convert("nats-tss", tar), "nats_tss")
    one = tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2"
    one.write_bytes(bz2.compress(pickle.dumps(whole("12", "200"), protocol=4)))
    assert originals.recognise(one) == originals.original("nats-tss")
    check(convert("nats-tss", one), "nats_tss")


def test_hostile_files_are_refused(tmp_path: Path, convert, hostile, nothing_left) -> None:
    pth = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    torch.save({**whole("less", "full"), "meta_archs": hostile}, pth)
    folder = archive(tmp_path / "NATS-tss-v1_0-3ffb9-simple")
    (folder / "000001.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"200": hostile})))
    for name, path, where in (("nb201-v1-1", pth, "096897.pth"),
                              ("nats-tss", folder, "000001.pickle.pbz2")):  # fmt: skip
        with pytest.raises(DataError, match=f"{where}: .*could run code; nothing was converted"):
            convert(name, path)
        assert nothing_left()
    assert not (tmp_path / "it-ran").exists()


def test_truncated_files_are_refused(tmp_path: Path, convert, nothing_left) -> None:
    folder = archive(tmp_path / "NATS-tss-v1_0-3ffb9-simple")
    content = (folder / "000001.pickle.pbz2").read_bytes()
    tar = tmp_path / "NATS-tss-v1_0-3ffb9-simple.tar"
    with tarfile.open(tar, "w") as writing:
        writing.add(folder, folder.name)
    tar.write_bytes(tar.read_bytes()[: 512 * 3 + 700])
    (folder / "000001.pickle.pbz2").write_bytes(content[: len(content) // 2])
    buffer = io.BytesIO()
    torch.save(whole("less", "full"), buffer)
    pth = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    pth.write_bytes(buffer.getvalue()[:-2000])
    for name, path in (("nats-tss", folder), ("nats-tss", tar), ("nb201-v1-1", pth)):
        with pytest.raises(DataError, match=r"cut short|written by torch\.save"):
            convert(name, path)
        assert nothing_left()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "no arch2infos"),
        (
            {"arch2infos": {0: {"full": {"arch_str": "x"}}}},
            "cell 0: it is not as the benchmark's",
        ),
        ({"arch2infos": {3: {"90": {}}}}, "cell 3 has neither of the schedules"),
    ],
)
def test_other_files_are_told(tmp_path: Path, convert, content: Any, message: str) -> None:
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    torch.save(content, path)
    with pytest.raises(DataError, match=message):
        convert("nb201-v1-1", path)
