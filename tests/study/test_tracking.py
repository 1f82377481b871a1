"""Searches in experiment trackers, read back by the trackers' own readers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import optiproxy as op
from optiproxy.errors import EvaluationFailed, InvalidValueError, StudyError
from optiproxy.study import Callback, Study, track
from optiproxy.study.tracking import TRACKERS, Tracking
from optiproxy.tasks import load

SPACE = op.spaces.Chain({"width": [8, 16], "0>1": ["conv", None], "skip": [True, False]})


def evaluate(arch, report, folder):
    report(1, arch["width"] / 32)
    report(2, arch["width"] / 16)
    (folder / "network.txt").write_text(str(arch["width"]))
    if not arch["skip"]:
        raise EvaluationFailed("no skip")
    return {"val": arch["width"] / 16, "cost": 1.0}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Study("edge", SPACE, evaluate, objectives={"val": "max"}, method="random",
                 storage="s.journal")  # fmt: skip


class Noted:
    """A tracker that keeps what it is given."""

    def __init__(self, target=None):
        self.target, self.calls = target, []

    def begin(self, study, params):
        self.calls.append((study, params))

    def query(self, logged):
        self.calls.append(logged)

    def end(self, best):
        self.calls.append(best)


def test_a_tracker_gets_each_query_of_a_run(study):
    noted = Noted()
    assert isinstance(Tracking("noted", noted), Callback)
    seen = []
    study.run(8, keep="all", callback=seen.append, callbacks=[Tracking("noted", noted)])
    (name, params), *runs, best = noted.calls
    assert (name, params["task"], params["method"], params["objectives"]) == (
        "edge", "edge", "random", "val=max")  # fmt: skip
    assert best == dict(study.best.architecture)
    assert [run.query for run in runs] == [record.query for record in seen] == list(range(1, 9))
    for run, record in zip(runs, study.queries, strict=True):
        assert run.name == f"query-{record.query:04d}"
        assert run.params == dict(record.architecture)
        assert (
            run.curve
            == record.curve
            == ((1, run.params["width"] / 32), (2, run.params["width"] / 16))
        )
        assert (run.folder / "network.txt").is_file()
        assert run.failed == (record.metrics is None)
        assert run.metrics["optiproxy/seconds"] == record.seconds
        if run.failed:
            assert run.tags == {
                "feasible": "false",
                "kind": "EvaluationFailed",
                "reason": "no skip",
            }
            assert "EvaluationFailed" in run.traceback
        else:
            assert run.metrics["val"] == record.metrics["val"]
    assert runs[-1].best == {"best/val": 1.0}


def test_callbacks_are_ended_however_the_run_ends(study):
    noted = Noted()

    def broken(record):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        study.run(3, callbacks=[Tracking("noted", noted), broken])
    assert [type(call).__name__ for call in noted.calls] == ["tuple", "Logged", "dict"]
    with pytest.raises(InvalidValueError, match="callback: got 3"):
        study.run(3, callbacks=[3])


def test_a_tracker_that_fails_does_not_end_the_search(study, caplog):
    class Failing(Noted):
        def query(self, logged):
            raise ConnectionError("gone")

    study.run(3, callbacks=[Tracking("failing", Failing())])
    assert len(study.queries) == 3
    assert "tracker 'failing': query 2 is left out: ConnectionError: gone" in caplog.text

    class Refusing(Noted):
        def begin(self, study, params):
            raise ConnectionError("no route")

    with pytest.raises(StudyError, match="tracker 'refusing': ConnectionError: no route"):
        study.run(5, callbacks=[Tracking("refusing", Refusing())])
    assert len(study.queries) == 3


def test_a_tracker_is_found_by_its_name():
    TRACKERS.register("noted", f"{__name__}:Noted")
    sys.modules.setdefault(__name__, sys.modules[Noted.__module__])
    assert track("noted:http://10.0.0.1:5000")._tracker.target == "http://10.0.0.1:5000"
    assert track("noted")._tracker.target is None
    with pytest.raises(InvalidValueError, match="tracker: got 'mlfow'"):
        track("mlfow")


# ---- the trackers' own readers ----


@pytest.fixture(autouse=True)
def nothing_is_left_out(caplog, request):
    yield
    if request.node.get_closest_marker("slow"):
        said = [r.getMessage() for r in caplog.get_records("call") if r.name == "optiproxy.study"]
        assert [text for text in said if text.startswith("tracker ")] == []


@pytest.mark.slow
def test_mlflow_has_the_study_and_its_queries(study, tmp_path):
    tracking = pytest.importorskip("mlflow.tracking", reason="needs the extra mlflow")
    study.run(4, keep="all", callbacks=[track(f"mlflow:{tmp_path / 'mlruns'}")])
    study.run(8, keep="all", callbacks=[track(f"mlflow:{tmp_path / 'mlruns'}")])
    client = tracking.MlflowClient((tmp_path / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("optiproxy")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = (r for r in runs if "mlflow.parentRunId" not in r.data.tags)  # one for both
    children = {r.info.run_name: r for r in runs if r is not parent}
    assert parent.info.run_name == "edge"
    assert parent.info.status == "FINISHED"
    assert parent.data.params["objectives"] == "val=max"
    assert parent.data.metrics["best/val"] == 1.0
    course = client.get_metric_history(parent.info.run_id, "best/val")
    assert course[-1].step == 8
    assert [f.path for f in client.list_artifacts(parent.info.run_id)] == ["best.json"]
    assert len(children) == 8
    for record in study.queries:
        run = children[f"query-{record.query:04d}"]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        choices = {name.replace(">", "-"): str(o) for name, o in record.architecture.items()}
        assert run.data.params == choices
        curve = client.get_metric_history(run.info.run_id, "curve/val")
        assert [(m.step, m.value) for m in curve] == list(record.curve)
        files = {f.path for f in client.list_artifacts(run.info.run_id)}
        if record.metrics is None:
            assert run.info.status == "FAILED"
            assert run.data.tags["reason"] == "no skip"
            assert files == {"network.txt", "traceback.txt"}
        else:
            assert run.info.status == "FINISHED"
            assert run.data.metrics["val"] == record.metrics["val"]
            assert files == {"network.txt"}


@pytest.mark.slow
def test_tensorboard_has_the_study_and_its_queries(study, tmp_path):
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard"
    )
    study.run(8, keep="all", callbacks=[track(f"tensorboard:{tmp_path / 'runs'}")])

    def events(folder):
        found = reader.EventAccumulator(str(folder))
        found.Reload()
        return found

    top = events(tmp_path / "runs" / "edge")
    assert top.Scalars("best/val")[-1].value == 1.0
    assert top.Scalars("best/val")[-1].step == 8
    assert "study/text_summary" in top.Tags()["tensors"]
    for record in study.queries:
        run = events(tmp_path / "runs" / "edge" / f"query-{record.query:04d}")
        curve = [(e.step, e.value) for e in run.Scalars("curve/val")]
        assert curve == list(record.curve)
        plugins = run.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        assert b"width" in plugins
        if record.metrics is None:
            assert "traceback/text_summary" in run.Tags()["tensors"]
        else:
            assert run.Scalars("val")[-1].value == pytest.approx(record.metrics["val"])


@pytest.mark.slow
def test_wandb_has_the_study_and_its_queries_without_a_network(study, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    study.run(3, keep="all", callbacks=[track("wandb:mine")])
    runs = sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(runs) == 4
    assert sum(b"no skip" in run.read_bytes() for run in runs) == sum(
        record.metrics is None for record in study.queries
    )


@pytest.mark.slow
def test_trackio_has_the_study_and_its_queries(study, tmp_path):
    pytest.importorskip("trackio", reason="needs the extra trackio")
    # Its folder is read when it is imported, so in a process of its own.
    program = tmp_path / "program.py"
    program.write_text(
        "import json, trackio\n"
        "import optiproxy as op\n"
        "from optiproxy.study import track\n"
        "space = op.spaces.Chain({'width': [8, 16], 'kernel': [3, 5]})\n"
        "study = op.Study('edge', space, lambda arch: arch['width'], objectives='val=max',"
        " method='random')\n"
        "import logging; logging.basicConfig()\n"
        "study.run(3, callbacks=[track('trackio:mine')])\n"
        "runs = trackio.Api().runs('mine')\n"
        "print(json.dumps(sorted(run.name for run in runs)))\n"
    )
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio")}
    done = subprocess.run([sys.executable, str(program)], env=environment, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stderr
    (names,) = (line for line in done.stdout.splitlines() if line.startswith("["))
    assert json.loads(names) == ["edge", "query-0001", "query-0002", "query-0003"]


def test_a_tracker_without_its_package_is_named(monkeypatch):
    monkeypatch.setitem(TRACKERS._missing, "elsewhere", "elsewhere")
    with pytest.raises(InvalidValueError, match=r"pip install 'optiproxy\[elsewhere\]'"):
        track("elsewhere")


def test_a_study_without_a_tracker_imports_none():
    code = "import sys, optiproxy.study.tracking; print({'mlflow', 'wandb'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_tables_are_tracked_too(tmp_path):
    noted = Noted()
    study = Study(load("mnist1d-table"), method="random")
    study.run(3, callbacks=[Tracking("noted", noted)])
    assert len(noted.calls) == 5
