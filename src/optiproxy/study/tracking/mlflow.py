"""MLflow, by its own client: the study is a parent run, each query a child."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from optiproxy.study.tracking.base import Logged

_EXPERIMENT = "optiproxy"
_STUDY, _PARENT = "optiproxy.study", "mlflow.parentRunId"


class MLflow:
    """Writes to an MLflow store.

    Args:
        target: An address (``http://…``, ``sqlite:///mlflow.db``), or a folder for MLflow's files;
            None for MLflow's own default, ``MLFLOW_TRACKING_URI`` or a file in the working folder.
    """

    def __init__(self, target: str | None) -> None:
        if target is not None and "://" not in target:
            target = Path(target).absolute().as_uri()
            # It asks for this since it prefers databases, which keep no folder of one's own.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        self._client = MlflowClient(target)
        self._experiment = ""
        self._parent = ""

    def begin(self, study: str, params: Mapping[str, Any]) -> None:
        """Finds the study's parent run, or creates it."""
        client = self._client
        found = client.get_experiment_by_name(_EXPERIMENT)
        self._experiment = (
            client.create_experiment(_EXPERIMENT) if found is None else found.experiment_id
        )
        key = f"{study} in {params['storage']}"
        runs = client.search_runs([self._experiment], f"tags.`{_STUDY}` != ''")
        for run in runs:
            if run.data.tags[_STUDY] == key:
                self._parent = run.info.run_id
                client.update_run(self._parent, status="RUNNING")
                return
        self._parent = self._created(study, {_STUDY: key}, params, time.time())

    def query(self, logged: Logged) -> None:
        """Writes a child run."""
        now = time.time()
        run = self._created(
            logged.name, {_PARENT: self._parent, **logged.tags}, logged.params, now - logged.seconds
        )
        metrics = [(name, value, logged.query) for name, value in logged.metrics.items()]
        metrics += [(logged.curve_name, value, epoch) for epoch, value in logged.curve]
        self._log(run, metrics)
        if logged.traceback:
            self._client.log_text(run, logged.traceback, "traceback.txt")
        if logged.folder is not None:
            self._client.log_artifacts(run, str(logged.folder))
        self._client.set_terminated(run, "FAILED" if logged.failed else "FINISHED")
        self._log(self._parent, [(n, v, logged.query) for n, v in logged.best.items()])

    def end(self, best: Mapping[str, Any]) -> None:
        """Closes the parent run, with the best architecture as a file."""
        if best:
            self._client.log_dict(self._parent, dict(best), "best.json")
        self._client.set_terminated(self._parent, "FINISHED")

    def _created(
        self, name: str, tags: Mapping[str, str], params: Mapping[str, Any], began: float
    ) -> str:
        run = self._client.create_run(
            self._experiment, start_time=int(1000 * began), run_name=name
        ).info.run_id
        self._client.log_batch(
            run,
            params=[Param(_allowed(n), str(value)) for n, value in params.items()],
            tags=[RunTag(n, value) for n, value in tags.items()],
        )
        return str(run)

    def _log(self, run: str, metrics: list[tuple[str, float, int]]) -> None:
        now = int(1000 * time.time())
        self._client.log_batch(run, metrics=[Metric(_allowed(n), v, now, s) for n, v, s in metrics])


def _allowed(name: str) -> str:
    """A name of a parameter or metric with the characters that MLflow takes."""
    return re.sub(r"[^\w\-. :/]", "-", name)
