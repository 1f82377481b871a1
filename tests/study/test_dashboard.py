"""What optuna-dashboard shows of a study, by its own server."""

from __future__ import annotations

import json
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
import study_toys as toys

from optiproxy.study import Study
from optiproxy.study._storage.open import open_storage

dashboard = pytest.importorskip("optuna_dashboard", reason="needs the extra dashboard")


def shown(place):
    """The dashboard's answer about the first study of a storage."""
    app = dashboard.wsgi(open_storage(place))

    def get(path):
        environ, status = {"PATH_INFO": path}, []
        setup_testing_defaults(environ)
        body = b"".join(app(environ, lambda code, headers, *rest: status.append(code)))
        assert status == ["200 OK"], body
        return json.loads(body)

    number = get("/api/studies")["study_summaries"][0]["study_id"]
    return get(f"/api/studies/{number}")


@pytest.mark.slow
def test_objectives_have_names_and_limits_are_shown(tmp_path):
    task = toys.task(objectives={"val": "max", "cost": "min"}, constraints={"cost": "<= 16"})
    study = Study(task, method="random", storage=tmp_path / "s.journal")
    study.run(6)
    detail = shown(tmp_path / "s.journal")
    assert detail["objective_names"] == ["val", "cost"]
    for trial, record in zip(detail["trials"], study.queries, strict=True):
        assert trial["constraints"] == [record.metrics["cost"] - 16]


@pytest.mark.slow
def test_repeated_queries_are_no_failures(tmp_path):
    calls = []

    def evaluate(arch):
        calls.append(arch)
        if len(calls) == 2:
            raise KeyboardInterrupt
        if len(calls) == 4:
            raise ValueError("broken")
        return {"val": toys.score(arch)}

    study = Study("s", toys.SPACE, evaluate, objectives={"val": "max"}, method="random",
                  storage=tmp_path / "s.journal")  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        study.run(4)
    study.run(4)
    states = [trial["state"] for trial in shown(tmp_path / "s.journal")["trials"]]
    assert sorted(states) == ["Complete"] * 3 + ["Fail", "Pruned"]
    assert len(study.queries) == 4


def test_an_interruption_of_an_earlier_version_is_repeated(tmp_path):
    """It was stored as a failure."""
    study = Study(toys.task(), method="random", storage=tmp_path / "s.journal")
    study.run(3)
    failed = optuna.trial.create_trial(
        state=optuna.trial.TrialState.FAIL,
        params=dict(toys.SPACE.sample(1, seed=5)[0]),
        distributions=study.optuna.trials[0].distributions,
        user_attrs={"optiproxy:query": 4, "optiproxy:interrupted": "stopped while it ran"},
    )
    study.optuna.add_trial(failed)
    assert len(study.queries) == 3
    study.run(4)
    assert study.queries[3].architecture == failed.params
