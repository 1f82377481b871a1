"""Weights & Biases and Trackio, whose clients have the same form: a group of runs for a study."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from optiproxy.study.tracking.base import Logged

_PROJECT = "optiproxy"


class Runs:
    """Writes runs by a client's ``init``.

    Args:
        init: ``init(name=…, group=…, config=…, study=…)`` → a run, with ``log``, ``log_artifact``
            and ``finish``. `study` is an id for a run that is the parent of others, else None.
    """

    def __init__(self, init: Callable[..., Any]) -> None:
        self._init = init
        self._study = ""
        self._parent: Any = None

    def begin(self, study: str, params: Mapping[str, Any]) -> None:
        """Opens the run of the study."""
        self._study = study
        id = hashlib.sha256(f"{study} in {params['storage']}".encode()).hexdigest()[:16]
        self._parent = self._init(name=study, group=study, config=dict(params), study=id)

    def query(self, logged: Logged) -> None:
        """Writes a run of the study's group."""
        config = {**logged.params, **{f"optiproxy/{n}": v for n, v in logged.tags.items()}}
        if logged.traceback:
            config["optiproxy/traceback"] = logged.traceback
        run = self._init(name=logged.name, group=self._study, config=config, study=None)
        try:
            for epoch, value in logged.curve:
                run.log({logged.curve_name: value}, step=epoch)
            last = max((epoch for epoch, _ in logged.curve), default=0)
            run.log(dict(logged.metrics), step=last)
            if logged.folder is not None and any(logged.folder.iterdir()):
                run.log_artifact(str(logged.folder), name=logged.name, type="query")
        finally:
            run.finish()
        if logged.best:
            self._parent.log(dict(logged.best), step=logged.query)

    def end(self, best: Mapping[str, Any]) -> None:
        """Closes the run of the study."""
        if best:
            self._parent.config.update({f"best/{n}": v for n, v in best.items()})
        self._parent.finish()


def wandb(target: str | None) -> Runs:
    """Weights & Biases, offline unless the environment's ``WANDB_MODE`` says otherwise.

    Args:
        target: A project, or an entity and a project, ``me/edge``.
    """
    import wandb as client

    entity, _, project = (target or _PROJECT).rpartition("/")
    mode = os.environ.get("WANDB_MODE", "offline")

    def init(*, name: str, group: str, config: dict[str, Any], study: str | None) -> Any:
        parent = {} if study is None or mode == "offline" else {"id": study, "resume": "allow"}
        return client.init(
            entity=entity or None,
            project=project,
            name=name,
            group=group,
            job_type="query" if study is None else "study",
            config=config,
            mode=mode,  # type: ignore[arg-type]
            reinit="create_new",  # Runs beside that of the study.
            settings=client.Settings(silent=True, console="off", x_disable_stats=True),
            **parent,  # type: ignore[arg-type]
        )

    return Runs(init)


def trackio(target: str | None) -> Runs:
    """Trackio, in files on this machine (``TRACKIO_DIR``).

    Args:
        target: A project.
    """
    import trackio as client

    def init(*, name: str, group: str, config: dict[str, Any], study: str | None) -> Any:
        return client.init(
            project=target or _PROJECT,
            name=name,
            group=group,
            config=config,
            resume="never" if study is None else "allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    return Runs(init)
