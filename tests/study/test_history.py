"""Reading a study: only what is new is read, and gives the same as reading everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import optiproxy as op
from optiproxy.study._storage import history
from optiproxy.study._storage import trials as _trials
from optiproxy.study._storage.clashes import duplicates
from optiproxy.study._storage.stored_trial import State, StoredTrial
from optiproxy.study._storage.trials import Trials
from optiproxy.tasks import Evaluation

SPACE = op.spaces.Chain({"a": list(range(5)), "b": list(range(4))})


def study(storage: Path | None = None) -> op.Study:
    return op.Study("toy", SPACE, lambda arch: float(arch["a"]), objectives={"score": "max"},
                    method="random", storage=storage)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_what_is_read_bit_by_bit_is_what_is_read_at_once(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = study()
    trials, rng = made._trials, np.random.default_rng(seed)
    trials.begin("run")
    monkeypatch.setattr(_trials, "ACTIVE", {"run"})
    for _ in range(60):
        queries = trials.read()
        some = [t for t in queries if t.state in (State.WAITING, State.RUNNING, State.FAILED)]
        picked = some[rng.integers(len(some))] if some else None
        what = rng.integers(6)
        if what == 0 or picked is None:
            first = max((t.number for t in queries), default=0) + int(rng.integers(2))
            first = max(first, 1)
            archs = SPACE.sample(1 + int(what) % 3, seed=int(rng.integers(99)))
            trials.propose(range(first, first + len(archs)), archs, 0.1)
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
            trials.repair()
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


def test_numbers_stay_and_have_no_gaps_when_processes_propose_at_once(
    tmp_path: Path,
) -> None:
    made = study(tmp_path / "s.journal")
    made.run(3)
    kept = {record.query: record.architecture for record in made.queries}
    # Another process proposes while this one does: the same number, and one architecture twice.
    new = [arch for arch in SPACE.sample(20, seed=1) if arch not in kept.values()]
    first, second = list(dict.fromkeys(new))[:2]
    for number, arch in ((4, first), (4, second), (5, first), (7, second)):
        made._trials.propose([number], [arch], 0.0)
    seen: dict[int, op.spaces.Architecture] = {}
    for budget in range(4, 9):
        made.run(budget)
        seen |= {record.query: record.architecture for record in made.queries}
        assert seen == {record.query: record.architecture for record in made.queries}
    assert sorted(seen) == list(range(1, 9))
    assert kept.items() <= seen.items()
    assert len(set(seen.values())) == 8
