"""A journal written by an earlier version opens and goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from optiproxy.study import Study

JOURNAL = Path(__file__).parent / "journals" / "before-one-house.journal"
# Study → its queries and the accuracy of its best, as the earlier version printed them.
STORED = {"gp": (12, 94.2), "limited": (12, 94.2), "short": (25, 95.15), "warm": (12, 95.45)}


@pytest.mark.slow
@pytest.mark.parametrize("name", STORED)
def test_a_study_of_an_earlier_version_goes_on(tmp_path: Path, name: str) -> None:
    """A model, a relative limit, low fidelity, a warm start with a proxy's earlier name."""
    journal = tmp_path / "old.journal"
    shutil.copy(JOURNAL, journal)
    study = Study.load(name, journal)
    before = [(query.architecture, query.metrics) for query in study.queries]
    assert study.best is not None
    assert (len(before), study.best.metrics["val_accuracy"]) == STORED[name]
    assert study.optuna.metric_names is None
    study.run(20)
    after = [(query.architecture, query.metrics) for query in study.queries]
    assert after[: len(before)] == before
    assert len({arch for arch, _ in after}) >= 20
    assert study.optuna.metric_names == [o.metric for o in study.task.objectives]
    assert study.best.metrics["val_accuracy"] >= STORED[name][1]
