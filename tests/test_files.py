"""Files that are written whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from optiproxy._atomic_write import whole


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with whole(path) as unfinished:
        unfinished.write_text("new")
        assert path.read_text() == "old"
        assert unfinished.suffix == ".json"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_is_not_finished_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def write_half() -> None:
        with whole(tmp_path / "a.json") as unfinished:
            unfinished.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_others_may_read_it_where_the_user_s_mask_says_so(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        with whole(tmp_path / "shared.parquet") as unfinished:
            unfinished.write_text("")
    finally:
        os.umask(mask)
    assert (tmp_path / "shared.parquet").stat().st_mode & 0o777 == 0o644
