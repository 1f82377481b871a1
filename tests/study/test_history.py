"""Reading a study: only what is new is read, and gives the same as reading everything."""

from __future__ import annotations

import numpy as np
import pytest

import optiproxy as op
from optiproxy.study._storage import history
from optiproxy.study._storage.stored_trial import State, StoredTrial
from optiproxy.study._storage.trials import Trials, duplicates
from optiproxy.tasks import Evaluation

SPACE = op.spaces.Chain({"a": list(range(5)), "b": list(range(4))})


def study() -> op.Study:
    return op.Study("toy", SPACE, lambda arch: float(arch["a"]), objectives={"score": "max"},
                    method="random")  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_what_is_read_bit_by_bit_is_what_is_read_at_once(seed: int) -> None:
    made = study()
    trials, rng = made._trials, np.random.default_rng(seed)
    trials.begin("run")
    for _ in range(60):
        queries = trials.read()
        some = [t for t in queries if t.state in (State.WAITING, State.RUNNING, State.FAILED)]
        picked = some[rng.integers(len(some))] if some else None
        what = rng.integers(6)
        if what == 0 or picked is None:
            first = max((t.number for t in queries), default=0) + int(rng.integers(2))
            trials.propose(
                max(first, 1), SPACE.sample(1 + what % 3, seed=int(rng.integers(99))), 0.1
            )
        elif picked.state is State.WAITING:
            trials.take(picked)
        elif picked.state is State.FAILED:
            trials.retry(picked)
        elif what < 3:
            trials.interrupt(picked, "it ended")
        else:
            metrics = {"score": 1.0} if what < 5 else None
            trials.finish(picked, Evaluation(metrics, 0.0, reason="no"), 0.0)
        if what == 5:
            trials.repair({"run"})
            for twice, other in duplicates(trials.read()):
                trials.drop_duplicate(twice, other)
        anew = Trials(made.optuna, trials.storage, made.task)
        assert trials.read() == anew.read() == _counting(list(anew._history.by_id.values()))
    assert len(trials.read()) > 5


def _counting(every: list[StoredTrial]) -> list[StoredTrial]:
    repeated = {trial.repeats for trial in every}
    retried = [t for t in every if t.state is State.FAILED and t.id in repeated]
    gone = (State.INTERRUPTED, State.DUPLICATE)
    counting = [t for t in every if t.state not in gone and t not in retried]
    return sorted(counting, key=lambda trial: (trial.number, trial.id))


def test_finished_queries_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = study()
    made.run(10)
    read, real = [], history.read_trial
    monkeypatch.setattr(history, "read_trial", lambda t, task: read.append(t) or real(t, task))
    made.run(11)
    assert {trial.number for trial in read} == {10}
