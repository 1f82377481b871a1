"""What runs is shown in a notebook's cell, again and again."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

from optiproxy.study.records import Record

# Seconds between two pictures.
PAUSE = 1.0


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; IPython is not imported for it."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class Live:
    """A callback that shows something in the current cell, and anew after a result.

    Args:
        shown: It has a ``_repr_html_``.
    """

    def __init__(self, shown: object) -> None:
        self._shown = shown
        self._last = time.monotonic()
        display: Any = importlib.import_module("IPython.display")
        self._handle = display.display(shown, display_id=True)

    def __call__(self, record: Record) -> None:
        if time.monotonic() - self._last >= PAUSE:
            self.update()

    def update(self) -> None:
        """Shows it as it is now."""
        self._handle.update(self._shown)
        self._last = time.monotonic()
