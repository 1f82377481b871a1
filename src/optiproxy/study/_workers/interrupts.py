"""Delays Ctrl-C until it can't interrupt a write.

The same holds for SIGTERM if its handler is that of Ctrl-C, as on the command line.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """A context in which Ctrl-C acts in an `open` block or in `check` only; a second one at once.

    The first one also ends a wait for a storage that can't be used.

    It does nothing outside the main thread, where Python allows no handlers.

    Args:
        hurry: Told whether such a wait is to end.
    """

    def __init__(self, hurry: Callable[[bool], object]) -> None:
        self._hurry = hurry
        self._requested = False
        self._open = False
        self._held = False
        self._taken: list[signal.Signals] = []

    def __enter__(self) -> Interrupts:
        # Any other handler belongs to a program around this one (an editor, a job runner).
        mine = threading.current_thread() is threading.main_thread()
        for number in (signal.SIGINT, signal.SIGTERM):
            if mine and signal.getsignal(number) is signal.default_int_handler:
                signal.signal(number, self._handle)
                self._taken.append(number)
        return self

    def __exit__(self, *raised: object) -> None:
        while self._taken:
            signal.signal(self._taken.pop(), signal.default_int_handler)
        self._hurry(False)

    @contextmanager
    def open(self) -> Iterator[None]:
        """A block in which Ctrl-C takes effect at once: an evaluation, a proposal, a wait."""
        self._open = True
        try:
            self.check()
            yield
        finally:
            self._open = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """A block that Ctrl-C does not end, however often: the end of worker processes."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def check(self) -> None:
        """Raises KeyboardInterrupt if Ctrl-C was pressed in the meantime."""
        if self._requested:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self._requested = self._requested, True
        self._hurry(True)
        if (self._open or again) and not self._held:
            raise KeyboardInterrupt
