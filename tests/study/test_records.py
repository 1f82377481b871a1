"""A query's public form, and its one serial form."""

from __future__ import annotations

import json
import math

import pytest

from optiproxy.spaces import Chain
from optiproxy.study import Record

(ARCH, *_) = Chain({"width": [8, 16], "norm": [None, "batch"]}).enumerate()


@pytest.mark.parametrize(
    ("record", "present"),
    [
        (Record(1, ARCH, {"val": 0.5}, True, seconds=2.0, optimizer_seconds=0.1), set()),
        (Record(2, ARCH, {"val": 0.5}, True, epochs=2, cost=0.1, predicted=0.4),
         {"epochs", "predicted"}),
        (Record(3, ARCH, None, False, reason="out of memory"), {"failed"}),
        (Record(4, ARCH, None, False, reason="stopped after epoch 2", stopped=True, cost=0.2),
         {"failed", "stopped"}),
        (Record(5, ARCH, {"ms": 9.0}, False, reason="ms is 9, not ms <= 5"), {"reason"}),
    ],
)  # fmt: skip
def test_a_record_is_written_and_read_back(record, present):
    plain = json.loads(json.dumps(record.plain(), allow_nan=False))
    assert Record.read(plain) == record
    always = {
        "query", "architecture", "metrics", "feasible", "cost", "seconds", "optimizer_seconds",
    }  # fmt: skip
    assert set(plain) == always | present


def test_a_metric_that_is_not_finite_is_none():
    plain = Record(1, ARCH, {"val": 1.0, "note": math.nan, "more": math.inf}, True).plain()
    assert plain["metrics"] == {"val": 1.0, "note": None, "more": None}
    read = Record.read(plain).metrics
    assert read is not None
    assert math.isnan(read["note"])
