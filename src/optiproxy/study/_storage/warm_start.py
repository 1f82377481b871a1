"""The earlier studies of a warm start, kept with the study so that it can be resumed alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna

from optiproxy.errors import StudyError
from optiproxy.search.warm_start import EarlierStudy
from optiproxy.study._storage.trials import PREFIX
from optiproxy.tasks import Task

ATTRIBUTE = PREFIX + "warm_start"


def keep_earlier(
    study: optuna.Study, task: Task, given: Sequence[EarlierStudy]
) -> Sequence[EarlierStudy]:
    """The earlier studies of `study`: those it was begun with, or `given` where it is new.

    Raises:
        StudyError: It was begun with others.
    """
    told = [_plain(task, earlier) for earlier in given]
    stored: list[dict[str, Any]] | None = study.user_attrs.get(ATTRIBUTE)
    if stored is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(ATTRIBUTE, told)
        return given
    if given and told != stored:
        raise StudyError(
            f"study {study.study_name!r} was begun with another warm start; leave it out, or give "
            "another name"
        )
    return [_read(entry) for entry in stored or []]


def _plain(task: Task, earlier: EarlierStudy) -> dict[str, Any]:
    metrics = {
        metric: [m[metric] for m in earlier.metrics]
        for metric in task.needed
        # NaN is unequal to itself: with it no warm start would be the stored one.
        if np.isfinite(earlier.values(metric)).all()
    }
    return {"rows": earlier.rows.tolist(), "metrics": metrics}


def _read(entry: dict[str, Any]) -> EarlierStudy:
    metrics = [
        dict(zip(entry["metrics"], values, strict=True))
        for values in zip(*entry["metrics"].values(), strict=True)
    ]
    return EarlierStudy(np.array(entry["rows"], dtype=np.int64), tuple(metrics))
