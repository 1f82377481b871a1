"""Damaged journal files: which line, what is lost, and a repair after which the search goes on."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import optiproxy as op
from optiproxy.errors import StudyError
from optiproxy.study import Study, repair_storage

SPACE = op.spaces.Chain({"a": list(range(6)), "b": list(range(5))})
QUERIES = 7


def opened(path: Path) -> Study:
    task = op.Task("toy", SPACE, lambda arch: float(arch["a"]), objectives={"score": "max"})
    return Study(task, name="toy", method="random", storage=path)


@pytest.fixture
def lines(tmp_path: Path) -> list[bytes]:
    path = tmp_path / "whole.journal"
    opened(path).run(QUERIES)
    return path.read_bytes().splitlines(keepends=True)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda line: line[: len(line) // 2] + b"\n",
    "zeros": lambda line: b"\0" * (len(line) - 1) + b"\n",
    "another": lambda line: b'{"op_code":99,"worker_id":""}\n',
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_after_a_repair_the_search_goes_on(tmp_path: Path, lines: list[bytes], kind: str) -> None:
    whole = opened(tmp_path / "whole.journal")
    results = {record.query: record.metrics for record in whole.queries}
    path = tmp_path / "s.journal"
    first = next(i for i, line in enumerate(lines) if b'"trial_id"' in line) - 1
    for number in range(first, len(lines) - 1, 4):
        damaged = [*lines[:number], DAMAGES[kind](lines[number]), *lines[number + 1 :]]
        path.write_bytes(b"".join(damaged))
        with pytest.raises(StudyError, match=rf"in line {number + 1} .*optiproxy repair NAME"):
            opened(path)
        (fault,), copy = repair_storage(path)
        assert fault.number == number + 1
        assert copy is not None
        assert copy.read_bytes() == b"".join(damaged)
        study = opened(path)
        study.run(QUERIES)
        assert len(study.queries) == QUERIES
        # The others are what they were; one is evaluated again, or is another one.
        same = [results.get(record.query) == record.metrics for record in study.queries]
        assert sum(same) >= QUERIES - 1
        copy.unlink()
        path.unlink()


def test_a_whole_file_stays_and_what_is_beyond_repair_is_said(
    tmp_path: Path, lines: list[bytes]
) -> None:
    path = tmp_path / "whole.journal"
    assert repair_storage(path) == ([], None)
    assert path.read_bytes() == b"".join(lines)
    path.write_bytes(b"".join([b"\0\n", *lines[1:]]))
    with pytest.raises(StudyError, match=r"what its study searches \(line 1\)"):
        repair_storage(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_wait_for_a_lock_says_who_holds_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.journal"
    opened(path)
    program = (
        "import sys, time; from optiproxy.study._storage.lock import OwnedLock; "
        f"OwnedLock({str(path)!r}).acquire(); print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    caplog.set_level(logging.WARNING, "optiproxy.study")
    begun = time.monotonic()
    import threading

    threading.Timer(2.5, other.kill).start()
    opened(path).run(1)
    assert time.monotonic() - begun > 2
    assert f"waiting for process {other.pid} on " in caplog.text
    other.wait()
