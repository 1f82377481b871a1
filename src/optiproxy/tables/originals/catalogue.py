"""The benchmarks' own files that can be read: names, addresses, checksums. Then: converting one."""

from __future__ import annotations

import contextlib
import fnmatch
import importlib
import re
from pathlib import Path
from typing import Any

from optiproxy.errors import DataError, unknown
from optiproxy.tables.originals._contents import within
from optiproxy.tables.originals.base import Original, Progress, sheets

_HERE = "optiproxy.tables.originals"

ORIGINALS = (
    Original(
        "nasbench101",
        ("nasbench_only108.tfrecord",),
        f"{_HERE}.nasbench101",
        {"nasbench101": 423_624},
        "NAS-Bench-101, trainings of 108 epochs",
        url="https://storage.googleapis.com/nasbench/nasbench_only108.tfrecord",
        sha256="4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
        size="499 MB",
    ),
    Original(
        "nasbench101-full",
        ("nasbench_full.tfrecord",),
        f"{_HERE}.nasbench101",
        {"nasbench101": 4 * 423_624},
        "NAS-Bench-101, trainings of 4, 12, 36 and 108 epochs",
        url="https://storage.googleapis.com/nasbench/nasbench_full.tfrecord",
        sha256="3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
        size="1.95 GB",
    ),
    Original(
        "nb201-v1-1",
        ("NAS-Bench-201-v1_1-096897.pth",),
        f"{_HERE}.nasbench201",
        {"nb201_v1_1": 15_625, "nb201_v1_1_runs": 0},
        "NAS-Bench-201 v1.1",
        page="https://drive.google.com/open?id=16Y0UwGisiouVRxW-W5hEtbxmcHw_0hF_",
        size="4.7 GB",
    ),
    Original(
        "nb201-v1-0",
        ("NAS-Bench-201-v1_0-e61699.pth",),
        f"{_HERE}.nasbench201",
        {"nb201_v1_0": 15_625, "nb201_v1_0_runs": 0},
        "NAS-Bench-201 v1.0",
        page="https://github.com/D-X-Y/NAS-Bench-201",
        size="2.1 GB",
    ),
    Original(
        "nats-tss",
        (
            "NATS-tss-v1_0-3ffb9-simple",
            "NATS-tss-v1_0-3ffb9-simple.tar",
            "NATS-tss-v1_0-3ffb9.pickle.pbz2",
        ),
        f"{_HERE}.nasbench201",
        {"nats_tss": 15_625, "nats_tss_runs": 0},
        "NATS-Bench, topology space",
        page="https://drive.google.com/file/d/17_saCsj_krKjlCBLOJEpNtzPXArMCqxU/view",
    ),
    Original(
        "hw-nas-bench",
        ("HW-NAS-Bench-v1_0.pickle",),
        f"{_HERE}.hw_nas_bench",
        {"hw_nas_bench_nb201": 15_625, "hw_nas_bench_fbnet": 0},
        "HW-NAS-Bench: latency and energy on six devices",
        url="https://github.com/GATECH-EIC/HW-NAS-Bench/raw/"
        "393bb8a02554dcd28e091fbbdb4d7aefe590018a/HW-NAS-Bench-v1_0.pickle",
        size="10 MB",
    ),
    Original(
        "nasbench301",
        ("models_0.9.zip", "models_1.0.zip", "nb_models*", "xgb_v*", "lgb_runtime_v*"),
        f"{_HERE}.nasbench301",
        {"nasbench301_xgb": 0, "nasbench301_lgb_runtime": 0},
        "NAS-Bench-301 v0.9, the surrogates of accuracy (XGBoost) and run time (LightGBM)",
        url="https://ndownloader.figshare.com/files/24693026",
    ),
    Original(
        "nasbench-nlp",
        ("logs.zip", "train_logs_*"),
        f"{_HERE}.nasbench_nlp",
        {"nasbench_nlp_ptb": 0},
        "NAS-Bench-NLP, training logs on Penn Treebank",
        url="https://github.com/fmsnew/nas-bench-nlp-release/raw/master/"
        "train_logs_single_run/logs.zip",
    ),
    Original(
        "transnas-bench-101",
        ("transnas-bench_v10141024.pth",),
        f"{_HERE}.transnas",
        {"transnas_bench_101": 7_352},
        "TransNAS-Bench-101",
        page="https://drive.google.com/drive/folders/1HlLr2ihZX_ZuV3lJX_4i7q4w-ZBdhJ6o",
    ),
)

_BY_NAME = {known.name: known for known in ORIGINALS}
# What a browser or a copy adds to a file's name: "logs (1).zip", "logs-copy.zip".
_ADDED = re.compile(r"(?: ?\(\d+\)|[-_ ]copy)(?=\.|$)")


def original(name: str) -> Original:
    """What we know of a benchmark's own file.

    Raises:
        InvalidValueError: No file has this name; the message has the most similar names.
    """
    found = _BY_NAME.get(name)
    if found is None:
        raise unknown("benchmark", name, _BY_NAME)
    return found


def recognise(path: Path) -> Original | None:
    """Whose file (or folder) `path` is, by its name and its first bytes; None if it is none."""
    name = _ADDED.sub("", path.name)
    for known in ORIGINALS:
        named = any(fnmatch.fnmatch(name, pattern) for pattern in known.files)
        # What can't be read is none of them.
        with contextlib.suppress(DataError, OSError), within():
            if named and _module(known).looks_right(path):
                return known
    return None


def convert(known: Original, path: Path, folder: Path, progress: Progress) -> list[Path]:
    """Reads `path` and writes the tables that are made of it into `folder`.

    Returns:
        The tables' files.

    Raises:
        DataError: The file is cut short, altered, names what could run code, or is another one.
            Nothing is left in `folder` then.
    """
    try:
        with within(str(path)), sheets(folder, known.tables) as made:
            _module(known).convert(path, made, progress)
    except DataError as error:
        raise DataError(f"{error}; nothing was converted") from None
    progress("done", 1.0)
    return [folder / f"{table}.parquet" for table in made.sheets]


def _module(known: Original) -> Any:
    return importlib.import_module(known.module)
