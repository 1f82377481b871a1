"""NAS-Bench-201's ``.pth`` and NATS-Bench's ``NATS-tss-v1_0-3ffb9-simple``: the same records.

Both keep, for each of 15,625 cells and each training schedule (12 and 200 epochs), every run's
accuracies by epoch. NAS-Bench-201 has one file of ``torch.save``, NATS-Bench a folder (or its tar)
with a bz2 pickle for each cell, or one large bz2 pickle. CIFAR-10 was trained twice: on half of the
training images ("cifar10-valid", validated on the other half), and on all of them (tested).

Two tables: means over the runs, a row for each cell; and every run on its own. Accuracies are in %,
of the last epoch. References: Dong and Yang, ICLR 2020, https://arxiv.org/abs/2001.00326; Dong et
al., NATS-Bench, TPAMI 2021, https://arxiv.org/abs/2009.00437.
"""

from __future__ import annotations

import bz2
import statistics
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from optiproxy.errors import DataError
from optiproxy.tables.originals._contents import bounded, within
from optiproxy.tables.originals._unpickling import load, load_torch, plain
from optiproxy.tables.originals.base import Progress, Sheet, Sheets, head

SCHEDULES = (12, 200)
# Ours → training for validation, its set; training for test, its set.
DATA_SETS = {
    "cifar10": ("cifar10-valid", "x-valid", "cifar10", "ori-test"),
    "cifar100": ("cifar100", "x-valid", "cifar100", "x-test"),
    "imagenet16_120": ("ImageNet16-120", "x-valid", "ImageNet16-120", "x-test"),
}
_MEANS = ("val_accuracy", "test_accuracy", "train_seconds")
_COSTS = ("params_m", "flops_m", "latency_ms")

COLUMNS = {
    "arch_index": "int32",
    "arch": "string",
    **{
        f"{data_set}_{metric}_{epochs}epochs": "float64"
        for data_set in DATA_SETS for epochs in SCHEDULES for metric in _MEANS
    },
    **{f"{data_set}_{cost}": "float64" for data_set in DATA_SETS for cost in _COSTS},
}  # fmt: skip
RUNS = {
    "arch_index": "int32", "training": "string", "epochs": "int32", "seed": "int64",
    "val_accuracy": "float64", "test_accuracy": "float64", "train_seconds": "float64",
}  # fmt: skip

# NAS-Bench-201 calls its schedules by other names.
_CALLED = {"less": 12, "full": 200, "12": 12, "200": 200}


def edition(path: Path) -> str:
    """Which of the three published editions a file is, by its name."""
    if path.suffix != ".pth":
        return "nats_tss"
    return "nb201_v1_0" if "v1_0" in path.name else "nb201_v1_1"


def looks_right(path: Path) -> bool:
    """Whether it is a folder, tar, bz2 or torch file that may be one of these."""
    if path.is_dir():
        return any(path.glob("*.pickle.pbz2"))
    start = head(path, 300)
    zipped, bz, tar = start[:2] == b"PK", start[:3] == b"BZh", start[257:262] == b"ustar"
    plain_torch = start[:2] == b"\x80\x02" and b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19" in start
    return zipped or bz or tar or plain_torch


def convert(path: Path, sheets: Sheets, progress: Progress) -> None:
    """Reads every cell and writes both tables.

    Raises:
        DataError: The file is cut short, names what could run code, or is another one.
    """
    name = edition(path)
    means, runs = sheets.new(name, COLUMNS), sheets.new(f"{name}_runs", RUNS)
    if path.is_dir() or tarfile.is_tarfile(path):
        cells = _from_folder(path) if path.is_dir() else _from_tar(path)
    else:
        cells = _from_one_file(path, progress)
    for done, (index, total, schedules) in enumerate(cells):
        _add(means, runs, index, schedules)
        if done % 100 == 0:
            progress("cells", done / max(total, 1))


def _from_one_file(path: Path, progress: Progress) -> Iterator[tuple[int, int, Any]]:
    progress("reading", 0.0)
    with open(path, "rb") as file:
        whole = load_torch(file) if path.suffix == ".pth" else _bz2(file, path.stat().st_size)
    if not isinstance(whole, dict) or not isinstance(whole.get("arch2infos"), dict):
        raise DataError("it has no arch2infos: none of NAS-Bench-201's files")
    cells = whole["arch2infos"]
    for index in sorted(cells):
        yield int(index), len(cells), cells.pop(index)


def _from_folder(path: Path) -> Iterator[tuple[int, int, Any]]:
    files = sorted(f for f in path.glob("*.pickle.pbz2") if f.name[0].isdigit())
    for file in files:
        with open(file, "rb") as content:
            yield _number(file.name), len(files), _cell(file.name, content, file.stat().st_size)


def _from_tar(path: Path) -> Iterator[tuple[int, int, Any]]:
    """Members in their order; nothing is unpacked on disk."""
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            if not (member.isfile() and name[:1].isdigit() and name.endswith(".pickle.pbz2")):
                continue
            content = archive.extractfile(member)
            if content is not None:
                yield _number(name), 15_625, _cell(name, content, member.size)


def _number(name: str) -> int:
    digits = name.partition(".")[0]
    if not digits.isdigit():
        raise DataError(f"{name}: it is not called by a cell's number")
    return int(digits)


def _cell(name: str, file: IO[bytes], size: int) -> Any:
    with within(name):
        return _bz2(file, size)


def _bz2(file: IO[bytes], size: int) -> Any:
    with bz2.BZ2File(file) as content:
        return load(bounded(content, size))


def _add(means: Sheet, runs: Sheet, index: int, schedules: Any) -> None:
    """One cell: its runs, and their means."""
    with within(f"cell {index}", "it is not as the benchmark's are"):
        found: dict[tuple[str, int], float] = {}
        costs: dict[tuple[str, str], float] = {}
        arch = ""
        for called, results in schedules.items():
            epochs = _CALLED.get(str(called))
            if epochs is None:
                continue
            arch = arch or results["arch_str"]
            measured = _runs(results)
            for (training, seed), run in measured.items():
                val, test = _at_end(run, "x-valid"), _test(run, training)
                runs.add(index, training, epochs, int(seed), val, test, _seconds(run))
            for data_set, (for_val, val_set, for_test, test_set) in DATA_SETS.items():
                validated = [run for (name, _), run in measured.items() if name == for_val]
                tested = [run for (name, _), run in measured.items() if name == for_test]
                for metric, value in (
                    ("val_accuracy", _mean(_at_end(run, val_set) for run in validated)),
                    ("test_accuracy", _mean(_at_end(run, test_set) for run in tested)),
                    ("train_seconds", _mean(_seconds(run) for run in validated)),
                ):
                    if value is not None:
                        found[f"{data_set}_{metric}", epochs] = value
                for cost, value in _costs(tested or validated).items():
                    if value is not None:
                        costs[data_set, cost] = value
    if not arch:
        raise DataError(f"cell {index} has neither of the schedules of 12 and 200 epochs")
    means.add(
        index, arch,
        *(
            found.get((f"{data_set}_{metric}", epochs))
            for data_set in DATA_SETS for epochs in SCHEDULES for metric in _MEANS
        ),
        *(costs.get((data_set, cost)) for data_set in DATA_SETS for cost in _COSTS),
    )  # fmt: skip


def _runs(results: Mapping[str, Any]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """(training, seed) → the run, in the order of the seeds that the file lists."""
    return {
        (training, seed): results["all_results"][training, seed]
        for training, seeds in results["dataset_seed"].items()
        for seed in plain(seeds)
    }


def _at_end(run: Mapping[str, Any], on: str) -> float | None:
    """The accuracy after the last epoch on one set, in %; None if it was not measured there."""
    value = run["eval_acc1es"].get(f"{on}@{int(run['epochs']) - 1}")
    return None if value is None else float(value)


def _test(run: Mapping[str, Any], training: str) -> float | None:
    # Of CIFAR-10 all test images are used; of the others, those that did not validate.
    return _at_end(run, "ori-test" if training in ("cifar10", "cifar10-valid") else "x-test")


def _seconds(run: Mapping[str, Any]) -> float | None:
    times = run["train_times"]
    return float(sum(times.values())) if isinstance(times, dict) and times else None


def _costs(runs: list[Mapping[str, Any]]) -> dict[str, float | None]:
    latencies = [plain(run["latency"]) for run in runs]
    seconds = [_mean(map(float, values)) for values in latencies if values is not None]
    latency = _mean(value for value in seconds if value is not None and value > 0)
    return {
        "params_m": _mean(float(run["params"]) for run in runs),
        "flops_m": _mean(float(run["flop"]) for run in runs),
        "latency_ms": None if latency is None else 1000 * latency,
    }


def _mean(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
