"""TensorBoard: a folder for the study, and in it one for each query."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from optiproxy.study.tracking.base import Logged


class TensorBoard:
    """Writes event files.

    Args:
        target: The folder that ``tensorboard --logdir`` is given; ``runs`` if it is None.
    """

    def __init__(self, target: str | None) -> None:
        self._root = Path(target or "runs")
        self._folder = self._root
        self._writer: SummaryWriter | None = None

    def begin(self, study: str, params: Mapping[str, Any]) -> None:
        """Opens the study's folder."""
        self._folder = self._root / re.sub(r"[^\w.+-]+", "-", study)
        self._writer = SummaryWriter(str(self._folder))
        self._writer.add_text("study", _table(params))

    def query(self, logged: Logged) -> None:
        """Writes a query's folder: its choices and metrics, its curve, and why it failed."""
        with SummaryWriter(str(self._folder / logged.name)) as writer:
            for epoch, value in logged.curve:
                writer.add_scalar(logged.curve_name, value, epoch)
            known = {n: v if isinstance(v, bool | str | int | float) else "" for n, v in
                     logged.params.items()}  # fmt: skip
            # Into the same folder, where the metrics become scalars too.
            writer.add_hparams(known, dict(logged.metrics), run_name=".", global_step=logged.query)
            text = dict(logged.tags)
            if logged.folder is not None:
                text["folder"] = str(logged.folder)
            writer.add_text("query", _table(text), logged.query)
            if logged.traceback:
                writer.add_text("traceback", f"```\n{logged.traceback}\n```", logged.query)
        assert self._writer is not None
        for name, value in logged.best.items():
            self._writer.add_scalar(name, value, logged.query)
        self._writer.flush()

    def end(self, best: Mapping[str, Any]) -> None:
        """Writes the best architecture."""
        assert self._writer is not None
        if best:
            self._writer.add_text("best", f"`{json.dumps(dict(best))}`")
        self._writer.close()


def _table(rows: Mapping[str, Any]) -> str:
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])
