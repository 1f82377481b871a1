"""The earlier studies of a warm start, stored with the study so that it resumes without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna

from optiproxy.errors import StudyError
from optiproxy.search.warm_start import DescribedStudy, Earlier, EarlierStudy
from optiproxy.study._storage.stored_trial import PREFIX
from optiproxy.tasks import Task

ATTRIBUTE = PREFIX + "warm_start"


def keep_earlier(study: optuna.Study, task: Task, given: Sequence[Earlier]) -> Sequence[Earlier]:
    """The earlier studies of `study`: those it was begun with, or `given` if it is new.

    Raises:
        StudyError: It was begun with others.
    """
    plain = [_plain(task, earlier) for earlier in given]
    stored: list[dict[str, Any]] | None = study.user_attrs.get(ATTRIBUTE)
    if stored is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(ATTRIBUTE, plain)
        return given
    if given and plain != stored:
        raise StudyError(
            f"study {study.study_name!r} was begun with another warm start; leave it out, or give "
            "another name"
        )
    return [_read(earlier) for earlier in stored or []]


def leads_at_once(study: optuna.Study) -> bool:
    """Whether an earlier study of the same space was kept, which chooses the first queries."""
    return any("rows" in earlier for earlier in study.user_attrs.get(ATTRIBUTE) or ())


def first_queries(study: optuna.Study, features: Sequence[str] | None) -> str:
    """What the initial design is: ``random``, or ``initial`` where scores or a study of another
    space chose half of it.
    """
    return "initial" if features or study.user_attrs.get(ATTRIBUTE) else "random"


def _plain(task: Task, earlier: Earlier) -> dict[str, Any]:
    metrics = {
        metric: [m[metric] for m in earlier.metrics]
        for metric in task.needed
        # NaN is unequal to itself, so a warm start with it would never equal the stored one.
        if np.isfinite(earlier.values(metric)).all()
    }
    if isinstance(earlier, DescribedStudy):
        return {"descriptions": [dict(d) for d in earlier.descriptions], "metrics": metrics}
    return {"rows": earlier.rows.tolist(), "metrics": metrics}


def _read(plain: dict[str, Any]) -> Earlier:
    metrics = tuple(
        dict(zip(plain["metrics"], values, strict=True))
        for values in zip(*plain["metrics"].values(), strict=True)
    )
    if "descriptions" in plain:
        return DescribedStudy(tuple(plain["descriptions"]), metrics)
    return EarlierStudy(np.array(plain["rows"], dtype=np.int64), metrics)
