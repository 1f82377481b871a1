"""Tables of a sample: rows of one network are averaged, and what is wrong with a table is told."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from optiproxy.errors import DataError, InvalidValueError
from optiproxy.spaces import Chain
from optiproxy.tables import store
from optiproxy.tables.averaged_rows import At, AveragedRows, from_bytes, from_choices, from_texts
from optiproxy.tables.benchmark import sample
from optiproxy.tables.nasbench_mr import MultiResolution

SPACE = Chain({"depth": [1, 2, 3], "wide": [False, True]})
ROWS = {
    "depth": [1, 1, 3, 2],
    "wide": [True, True, False, False],
    "top1": [70.0, 72.0, None, 60.0],
    "ms": [1.0, None, 3.0, 5.0],
    "part": ["a", "a", "a", "b"],
}


@pytest.fixture(autouse=True)
def _table(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = dataclasses.replace(store.known("nasbench_nlp_ptb"), name="t", file="t.parquet", rows=0)
    monkeypatch.setitem(store._BY_NAME, "t", known)
    monkeypatch.setenv(store.VARIABLE, str(home))
    write(home, ROWS)


def write(home: Path, columns: dict[str, list]) -> None:
    pq.write_table(pa.table(columns), home / "t.parquet", write_page_checksum=True)


def listed(**changes) -> AveragedRows:
    arguments = {
        "key": ["depth", "wide"], "read": from_choices, "where": {"part": "a"},
        "columns": {"val_accuracy": "top1", "latency_ms": "ms"}, "scale": {"latency_ms": 1000.0},
    }  # fmt: skip
    return AveragedRows(SPACE, "t", **{**arguments, **changes})


def task(**changes):
    return _sample(listed(count=2, **changes))


def _sample(rows):
    return sample(rows, name="t", objectives={"val_accuracy": "max"}, description="", citation="")


def test_rows_of_a_network_are_averaged_over_what_is_known() -> None:
    t = task()
    again = t.space.architecture({"depth": 1, "wide": True})
    failed = t.space.architecture({"depth": 3, "wide": False})
    assert t.query(again).metrics == {"val_accuracy": 71.0, "latency_ms": 1000.0}
    assert t.query(failed).metrics is None
    assert "val_accuracy is nan" in t.query(failed).reason
    assert t.replaced(objectives={"latency_ms": "min"}).query(failed).metrics == {
        "latency_ms": 3000.0
    }
    assert t.optimum == 71.0
    assert [dict(arch) for arch in t.space.enumerate()] == [dict(again), dict(failed)]
    with pytest.raises(InvalidValueError):
        t.space.architecture({"depth": 2, "wide": False})  # Of the other part.


def test_entries_of_curves_and_rows_that_must_be_measured(home: Path) -> None:
    curves = [[50.0, 60.0], [52.0], None, [1.0, 2.0, 3.0]]
    write(home, {**ROWS, "curve": curves})
    columns = {"first": At("curve", 1), "second": At("curve", 2)}
    values = listed(columns=columns, scale={}).values()
    np.testing.assert_array_equal(values["first"], [51.0, math.nan])
    np.testing.assert_array_equal(values["second"], [60.0, math.nan])
    # Only rows with a latency: the second training of the first network falls out.
    some = listed(needed="ms", where={})
    assert len(some.listed()) == 3
    assert some.values()["val_accuracy"][0] == 70.0
    pools = [_sample(rows).space for rows in (listed(where={}), some)]
    assert pools[0].fingerprint != pools[1].fingerprint


def test_what_is_not_listed_has_no_row() -> None:
    source = listed()
    arch = SPACE.architecture({"depth": 2, "wide": True})
    with pytest.raises(Exception, match="the table has no row for"):
        source(arch)
    assert math.isnan(source.values()["val_accuracy"][1])


def test_broken_tables_are_told(home: Path) -> None:
    with pytest.raises(DataError, match="no_such"):
        task(columns={"val_accuracy": "no_such"}).prepare()
    write(home, {**ROWS, "depth": [1, 1, 7, 2]})
    with pytest.raises(DataError, match=r"t\.parquet: a row is no architecture .*7 is none of"):
        task().prepare()
    write(home, {**ROWS, "part": ["b"] * 4})
    with pytest.raises(DataError, match="it has no rows"):
        task().prepare()
    content = (home / "t.parquet").read_bytes()
    (home / "t.parquet").write_bytes(content[:-9])
    with pytest.raises(DataError, match="it is cut short"):
        task().prepare()


def test_texts_and_bytes_are_read(home: Path) -> None:
    rows = SPACE.all_indices
    texts = [SPACE.to_text(arch) for arch in SPACE.from_indices(rows)]
    np.testing.assert_array_equal(from_texts({"arch": texts}, SPACE), rows)
    packed = [row.astype(np.uint8).tobytes() for row in rows]
    found = from_bytes({"row": [*packed, None]}, SPACE)
    np.testing.assert_array_equal(found[:-1], rows)
    assert (found[-1] == -1).all()
    with pytest.raises(DataError, match="another version of the space"):
        from_bytes({"row": [b"\0\0\0"]}, SPACE)


@pytest.mark.parametrize("text", ["1,2", "x" + ",1" * 26, "", ",".join(["1"] * 27)])
def test_a_broken_multi_resolution_network_is_told(text: str) -> None:
    with pytest.raises(InvalidValueError, match=r"27 whole numbers|got 1; "):
        MultiResolution().architecture(text)


def test_multi_resolution_texts_are_read_back() -> None:
    space = MultiResolution()
    assert len(space) == 27
    for arch in space.sample(20, seed=0):
        assert space.architecture(space.to_text(arch)) == arch
