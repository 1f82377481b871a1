"""NAS-Bench-301's surrogates: accuracy (``xgb_v0.9``, ``xgb_v1.0``), run time (``lgb_runtime_…``).

Each is an ensemble; a member is a pickled ``xgboost.Booster`` or ``lightgbm.Booster``: an object
whose state holds the model, as a buffer or a text. Both are read without these libraries
(`_unpickling`, `_xgboost`, `_lightgbm`) and become tables of tree nodes; a prediction is a walk
down the trees. The graph network (``gnn_gin``), weights without the program that they belong to,
is not read; alone it is refused.

Reference: Zela et al., Surrogate NAS Benchmarks, ICLR 2022, https://arxiv.org/abs/2008.09777.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optiproxy.errors import DataError
from optiproxy.tables.originals import _lightgbm, _xgboost
from optiproxy.tables.originals._contents import member_names, members, within
from optiproxy.tables.originals._trees import Model
from optiproxy.tables.originals._unpickling import Left, Refused, load
from optiproxy.tables.originals.base import Progress, Sheet, Sheets

TABLE = "nasbench301_xgb"
RUNTIMES = "nasbench301_lgb_runtime"
MEMBER = "surrogate_model.model"

# A leaf has no children (-1) and its value as threshold.
COLUMNS = {
    "member": "int16", "tree": "int32", "node": "int32", "feature": "int16",
    "threshold": "float32", "left": "int32", "right": "int32", "base_score": "float32",
}  # fmt: skip
# LightGBM's numbers are double.
RUNTIME_COLUMNS = {**COLUMNS, "threshold": "float64"}

_Members = list[tuple[str, bytes]]


def looks_right(path: Path) -> bool:
    """Whether it is a folder or zip with members of an ensemble."""
    return bool(member_names(path, MEMBER))


def convert(path: Path, sheets: Sheets, progress: Progress) -> None:
    """Reads every member of the ensembles that are there, and writes their trees.

    Raises:
        DataError: There is none, one is cut short, of another layout, or names what could run code.
    """
    found = list(members(path, MEMBER))
    accuracy = [m for m in found if "xgb" in _kind(m[0]) and "runtime" not in _kind(m[0])]
    runtimes = [m for m in found if _kind(m[0]).startswith("lgb_runtime")]
    if not accuracy and not runtimes:
        raise DataError(
            f"of the surrogates here ({', '.join(sorted({_kind(n) for n, _ in found}))}) none is "
            "the XGBoost ensemble or the one of run times, which are read; give the folder that "
            "holds xgb_v0.9 or xgb_v1.0, or lgb_runtime_v0.9 or lgb_runtime_v1.0"
        )
    for chosen in (accuracy, runtimes):
        if len(kinds := sorted({_kind(name) for name, _ in chosen})) > 1:
            raise DataError(
                f"there are several ensembles ({', '.join(kinds)}); give the folder of one of them"
            )
    part = len(accuracy) / len(accuracy + runtimes)
    if accuracy:
        sheet = sheets.new(TABLE, COLUMNS)
        _write(sheet, accuracy, _boosted, lambda done: progress("members", part * done))
    if runtimes:
        sheet = sheets.new(RUNTIMES, RUNTIME_COLUMNS)
        rest = 1 - part
        try:
            _write(sheet, runtimes, _timed, lambda done: progress("members", part + rest * done))
        except Refused:
            raise
        except DataError as error:
            if not accuracy:
                raise
            alone = _kind(accuracy[0][0])
            raise DataError(
                f"{error}; to do without run times add the folder {alone} alone"
            ) from None


def _write(
    sheet: Sheet,
    members: _Members,
    read: Callable[[bytes], Model],
    progress: Callable[[float], None],
) -> None:
    for number, (name, content) in enumerate(members):
        progress(number / len(members))
        with within(name):
            _add(sheet, number, read(content))


def _kind(name: str) -> str:
    """The ensemble's folder, the part of a member's path that says its library."""
    parts = [p for p in name.split("/") if p.startswith(("xgb", "lgb", "gnn"))]
    return parts[0] if parts else name


def _boosted(content: bytes) -> Model:
    """The model in a pickled booster of xgboost."""
    handle = _state(content, "xgboost.core.Booster").get("handle")
    if not isinstance(handle, bytes | bytearray):
        raise DataError("the pickle is no booster of xgboost")
    return _xgboost.read(bytes(handle))


def _timed(content: bytes) -> Model:
    """The model in a pickled booster of LightGBM; it predicts seconds."""
    state = _state(content, "lightgbm.basic.Booster")
    handle = state.get("handle", state.get("_handle"))  # The second since version 4.
    best = state.get("best_iteration", 0)
    if not isinstance(handle, str) or not isinstance(best, int):
        raise DataError("the pickle is no booster of LightGBM")
    return _lightgbm.read(handle, best)


def _state(content: bytes, name: str) -> dict[str, Any]:
    """The attributes of the one object of the class `name` that a pickle is; none if it is not."""
    booster = load(io.BytesIO(content), inert=[name])
    state = booster.state if isinstance(booster, Left) else None
    if isinstance(state, tuple) and state:
        state = state[0]
    return state if isinstance(state, dict) else {}


def _add(sheet: Sheet, member: int, model: Model) -> None:
    for number, tree in enumerate(model.trees):
        columns = (tree.feature, tree.value, tree.left, tree.right)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for node, (feature, value, left, right) in enumerate(rows):
            sheet.add(member, number, node, feature, value, left, right, model.base_score)
