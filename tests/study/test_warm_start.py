"""A warm start is kept with the study, so that it is resumed without the earlier ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optiproxy.errors import InvalidValueError, StudyError
from optiproxy.spaces import Architecture, Chain
from optiproxy.study import Study

SPACE = Chain({"depth": [1, 2, 3], "width": [16, 32, 64], "kernel": [3, 5, 7]})


def evaluate(arch: Architecture) -> dict[str, float]:
    score = float(arch["depth"]) * float(arch["width"]) / float(arch["kernel"])  # type: ignore[arg-type]
    return {"score": score, "secret": -score}


def make(name: str, storage: Path | None, **options: Any) -> Study:
    return Study(
        name, SPACE, evaluate, objectives={"score": "max"}, reported=["secret"],
        storage=storage, **options,
    )  # fmt: skip


@pytest.mark.slow
def test_resumes_without_the_earlier_study(tmp_path: Path) -> None:
    earlier = make("earlier", None, seed=1)
    earlier.run(12)
    whole = make("s", None, warm_start=[earlier])
    whole.run(10)
    storage = tmp_path / "runs.journal"
    make("s", storage, warm_start=[earlier]).run(6)
    again = make("s", storage)
    again.run(10)
    assert [q.architecture for q in again.queries] == [q.architecture for q in whole.queries]
    assert "secret" not in str(again.optuna.user_attrs["optiproxy:warm_start"])


@pytest.mark.slow
def test_its_first_queries_are_neither_random_nor_foretold() -> None:
    earlier = make("earlier", None, seed=1)
    earlier.run(12)
    study = make("s", None, warm_start=[earlier])
    study.run(16)
    assert study.random_queries == 0
    # What is expected before anything is measured has no unit yet.
    assert study.queries[0].predicted is None
    assert any(r.predicted is not None for r in study.queries[1:])


def test_another_warm_start_is_another_search(tmp_path: Path) -> None:
    storage = tmp_path / "runs.journal"
    earlier = make("earlier", None, seed=1)
    earlier.run(12)
    make("s", storage, warm_start=[earlier]).run(2)
    earlier.run(14)
    with pytest.raises(StudyError, match="another warm start"):
        make("s", storage, warm_start=[earlier])
    make("cold", storage).run(2)
    with pytest.raises(StudyError, match="another warm start"):
        make("cold", storage, warm_start=[earlier])


def test_what_an_earlier_study_has_not_measured_is_no_other_warm_start(tmp_path: Path) -> None:
    pairs = [
        (arch, {"score": np.float32(i), "ms": np.nan if i else 1})
        for i, arch in enumerate(SPACE.sample(5, seed=0))
    ]
    limited = {"warm_start": [pairs], "constraints": "ms<=5"}
    first = make("s", tmp_path / "runs.journal", **limited)
    again = make("s", tmp_path / "runs.journal", **limited)
    assert again.identity == first.identity


def test_a_method_that_can_not_use_one() -> None:
    earlier = make("earlier", None, seed=1)
    earlier.run(6)
    with pytest.raises(InvalidValueError, match="this method can't use one"):
        make("s", None, method="random", warm_start=[earlier])


@pytest.mark.slow
def test_a_study_of_another_space_is_kept_too(tmp_path: Path) -> None:
    space = Chain({"depth": [1, 2, 4], "width": [8, 16, 128], "kernel": [1, 3]})
    earlier = Study("earlier", space, evaluate, objectives="score=max", reported=["secret"])
    earlier.run(15)
    with pytest.warns(UserWarning, match=r"another space.* in common .*mean of width"):
        whole = make("s", None, warm_start=[earlier])
    whole.run(10)
    storage = tmp_path / "runs.journal"
    with pytest.warns(UserWarning, match="another space"):
        make("s", storage, warm_start=[earlier]).run(4)
    again = make("s", storage)
    again.run(10)
    assert [q.architecture for q in again.queries] == [q.architecture for q in whole.queries]
    assert (whole.random_queries, whole.start) == (10, "initial")  # half by the other study
    cold = make("cold", None)
    cold.run(4)
    assert [q.architecture for q in again.queries[:4]] != [q.architecture for q in cold.queries]
