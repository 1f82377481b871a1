"""Finding and adding published tables, with a catalogue of two small ones."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest

from optiproxy import tasks
from optiproxy.errors import DataError, InvalidValueError
from optiproxy.tables import store
from optiproxy.tables.store import TableFile

CONTENT = {"first": b"one" * 100, "second": b"two" * 100}


@pytest.fixture(autouse=True)
def _two_tables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = tuple(
        TableFile(name, f"{name}.parquet", hashlib.sha256(text).hexdigest(), 3, "", "MIT", "us")
        for name, text in CONTENT.items()
    )
    monkeypatch.setattr(store, "KNOWN", known)
    monkeypatch.setattr(store, "_BY_NAME", {table.name: table for table in known})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tables = tmp_path / "my tables"
    tables.mkdir()
    for name, text in CONTENT.items():
        (tables / f"{name}.parquet").write_bytes(text)
    (tables / "README.md").write_text("not a table")
    return tables


def test_missing_table_says_how_to_get_it(home: Path) -> None:
    remedy = r"no first\.parquet in .*; set OPTIPROXY_DATA to a folder .* optiproxy data add FOLDER"
    with pytest.raises(DataError, match=remedy):
        store.find("first")
    assert [(row.table.name, row.status, row.path) for row in store.listing()] == [
        ("first", "missing", None),
        ("second", "missing", None),
    ]


def test_unknown_table_names_the_nearest() -> None:
    with pytest.raises(InvalidValueError, match="did you mean 'first'"):
        store.find("frist")


def test_variable_names_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.VARIABLE, str(folder))
    assert store.find("first") == folder / "first.parquet"
    assert [row.status for row in store.listing()] == ["here", "here"]


def test_variable_names_several_folders_as_path_does(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    moved = (folder / "second.parquet").rename(other / "second.parquet")
    monkeypatch.setenv(store.VARIABLE, os.pathsep.join([str(folder), "", str(other)]))
    assert [row.path for row in store.listing()] == [folder / "first.parquet", moved]
    # A broken file in an earlier folder is refused, not passed over.
    (folder / "second.parquet").write_bytes(b"half")
    with pytest.raises(DataError, match=r"my tables/second\.parquet: its SHA-256"):
        store.find("second")
    monkeypatch.setenv(store.VARIABLE, os.pathsep.join([str(other), "/no/such/folder"]))
    with pytest.raises(DataError, match=f"in {other} and /no/such/folder and "):
        store.find("first")


def test_a_table_may_be_distributed_or_made_here(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is distributed has its checksum; what is made in the user's folder can't have it."""
    both = dataclasses.replace(store.known("first"), original="hw-nas-bench")
    monkeypatch.setitem(store._BY_NAME, "first", both)
    [(_, added)] = store.add(folder / "first.parquet")
    made = b"PAR1 made here PAR1"
    added.write_bytes(made)
    assert store.find("first") == added
    monkeypatch.setenv(store.VARIABLE, str(folder))
    assert store.find("first") == folder / "first.parquet"
    (folder / "first.parquet").write_bytes(made)
    assert store.status("first").status == "broken"


def test_variable_that_names_no_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.VARIABLE, "/no/such/folder")
    with pytest.raises(DataError, match=r"in /no/such/folder and "):
        store.find("first")


def test_added_folder_is_found_when_its_source_is_gone(folder: Path, home: Path) -> None:
    added = store.add(folder)
    assert [name for name, _ in added] == ["first", "second"]
    for name, path in added:
        assert home in path.parents
        (folder / f"{name}.parquet").unlink()
        assert store.find(name) == path
        assert path.read_bytes() == CONTENT[name]
    assert sorted(p.name for p in added[0][1].parent.iterdir()) == [
        "first.parquet", "second.parquet",
    ]  # fmt: skip


def test_variable_comes_before_what_was_added(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [(_, added)] = store.add(folder / "first.parquet")
    monkeypatch.setenv(store.VARIABLE, str(folder))
    assert store.find("first") == folder / "first.parquet"
    (folder / "first.parquet").unlink()
    assert store.find("first") == added


def test_adding_again_repairs_a_broken_copy(folder: Path) -> None:
    [(_, path)] = store.add(folder / "first.parquet")
    path.write_bytes(b"half")
    assert store.status("first").status == "broken"
    store.add(folder)
    assert store.find("first") == path


def test_renamed_file_is_recognised_by_its_content(folder: Path) -> None:
    renamed = (folder / "second.parquet").rename(folder / "download (1).bin")
    [(name, path)] = store.add(renamed)
    assert (name, path.name) == ("second", "second.parquet")


def test_broken_table_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = folder / "second.parquet"
    broken.write_bytes(CONTENT["second"][:-1])
    wrong = hashlib.sha256(CONTENT["second"][:-1]).hexdigest()
    with pytest.raises(DataError, match=f"second.parquet: its SHA-256 is {wrong}, not .*nothing"):
        store.add(folder)
    assert store.status("first").status == "missing"  # Not added by halves.
    monkeypatch.setenv(store.VARIABLE, str(folder))
    assert [row.status for row in store.listing()] == ["here", "broken"]
    with pytest.raises(DataError, match="cut short or altered; replace it by a whole copy"):
        store.find("second")


def test_file_that_changes_is_verified_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.VARIABLE, str(folder))
    store.find("first")
    (folder / "first.parquet").write_bytes(b"x" * 300)
    with pytest.raises(DataError, match="SHA-256"):
        store.find("first")


@pytest.mark.parametrize("given", ["nowhere", "README.md", "empty"])
def test_nothing_to_add(folder: Path, given: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=r"no such file|was recognised .*tasks\.Table\)"):
        store.add(folder / given)


def test_folder_that_can_not_be_written_is_told(folder: Path, home: Path) -> None:
    (home / ".local").write_text("a file where a folder should be")
    (home / "Library").write_text("likewise, on macOS")
    with pytest.raises(DataError, match=f"can't be written .* set {store.VARIABLE} to"):
        store.add(folder)


def test_pinned_checksums_are_checksums() -> None:
    from optiproxy.tables._manifest import KNOWN

    assert len({table.name for table in KNOWN}) == len(KNOWN) == 19
    assert len({table.sha256 for table in KNOWN}) == 19
    assert all(len(bytes.fromhex(table.sha256)) == 32 and table.rows > 0 for table in KNOWN)


def test_task_without_its_table_says_how_to_get_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("OPTIPROXY_DATA", raising=False)
    task = tasks.get("nb201-cifar10")
    with pytest.raises(DataError, match="optiproxy data add FOLDER"):
        task.prepare()
    with pytest.raises(DataError, match="optiproxy data add FOLDER"):
        task.query(task.space.sample(1)[0])
    limited = tasks.get("nasbench-graph-cora").replaced(constraints=["latency_ms<=60%"])
    with pytest.raises(DataError, match="optiproxy data add FOLDER"):
        limited.resolved()
