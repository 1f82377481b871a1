"""NAS-Bench-301's surrogate: the ensemble of XGBoost regressors, ``xgb_v0.9`` or ``xgb_v1.0``.

A member is a pickled ``xgboost.Booster``: an object whose state holds a buffer with the model. Both
are read without xgboost (`_unpickling`, `_xgboost`) and become a table of tree nodes; a prediction
is a walk down the trees. The graph network (``gnn_gin``), weights without the program that they
belong to, and the run times (``lgb_runtime``) are not read; alone they are refused.

Reference: Zela et al., Surrogate NAS Benchmarks, ICLR 2022, https://arxiv.org/abs/2008.09777.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from optiproxy.errors import DataError
from optiproxy.tasks.originals._unpickling import Left, load
from optiproxy.tasks.originals._xgboost import Model, read
from optiproxy.tasks.originals.base import Progress, Sheet, Sheets

TABLE = "nasbench301_xgb"
MEMBER = "surrogate_model.model"

# A leaf has no children (-1) and its value as threshold.
COLUMNS = {
    "member": "int16", "tree": "int32", "node": "int32", "feature": "int16",
    "threshold": "float32", "left": "int32", "right": "int32", "base_score": "float32",
}  # fmt: skip


def looks_right(path: Path) -> bool:
    """Whether it is a folder or zip with members of an ensemble."""
    try:
        return any(True for _ in _members(path))
    except (DataError, OSError):
        return False


def convert(path: Path, sheets: Sheets, progress: Progress) -> None:
    """Reads every member of the XGBoost ensemble and writes its trees.

    Raises:
        DataError: There is none, one is cut short, of another layout, or names what could run code.
    """
    members = list(_members(path))
    chosen = [m for m in members if "xgb" in m[0] and "runtime" not in m[0]]
    if not chosen:
        raise DataError(
            f"of the surrogates here ({', '.join(sorted({_kind(n) for n, _ in members}))}) none is "
            "the XGBoost ensemble, the only one that is read; give the folder that holds xgb_v0.9 "
            "or xgb_v1.0"
        )
    if len({_kind(name) for name, _ in chosen}) > 1:
        raise DataError(
            f"there are several ensembles ({', '.join(sorted({_kind(n) for n, _ in chosen}))}); "
            "give the folder of one of them"
        )
    sheet = sheets.new(TABLE, COLUMNS)
    for number, (name, content) in enumerate(chosen):
        progress("members", number / len(chosen))
        try:
            _add(sheet, number, read(_buffer(content)))
        except DataError as error:
            raise type(error)(f"{name}: {error}") from None


def _kind(name: str) -> str:
    """The ensemble's folder, the part of a member's path that says its library."""
    parts = [p for p in name.split("/") if p.startswith(("xgb", "lgb", "gnn"))]
    return parts[0] if parts else name


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(path.rglob(f"*{MEMBER}")):
            yield f"{path.name}/{file.relative_to(path).as_posix()}", file.read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(MEMBER) and not name.startswith("__MACOSX/"):
                    yield name, archive.read(name)
    except zipfile.BadZipFile as error:
        raise DataError(f"the archive is cut short or no zip ({error})") from None


def _buffer(content: bytes) -> bytes:
    """The model in a pickled booster."""
    booster = load(io.BytesIO(content), inert=["xgboost.core.Booster"])
    state = booster.state if isinstance(booster, Left) else None
    if isinstance(state, tuple) and state:
        state = state[0]
    handle = state.get("handle") if isinstance(state, dict) else None
    if not isinstance(handle, bytes | bytearray):
        raise DataError("the pickle is no booster of xgboost")
    return bytes(handle)


def _add(sheet: Sheet, member: int, model: Model) -> None:
    for number, tree in enumerate(model.trees):
        columns = (tree.feature, tree.value, tree.left, tree.right)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for node, (feature, value, left, right) in enumerate(rows):
            sheet.add(member, number, node, feature, value, left, right, model.base_score)
