"""Journals written by an earlier version open and go on as that version would have gone on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from optiproxy.study import Study

HERE = Path(__file__).parent / "journals"
COURSES = json.loads((HERE / "before-one-house.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", COURSES)
def test_a_study_of_an_earlier_version_goes_on_with_the_same_queries(tmp_path, name):
    """A model, a relative limit, low fidelity (its budget raised from 12 to 30), a warm start."""
    journal = tmp_path / "old.journal"
    shutil.copy(HERE / "before-one-house.journal", journal)
    study = Study.load(name, journal)
    stored = len(study.queries)
    assert 0 < stored < len(COURSES[name])
    study.run(30)
    asked = [[r.architecture[choice] for choice in sorted(r.architecture)] for r in study.queries]
    assert asked == COURSES[name]
