"""Ctrl-C at a moment that suits: never in the middle of a write.

So with SIGTERM, where its handler is that of Ctrl-C, as on the command line.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """While it is entered, Ctrl-C waits for an `open` block or for `check`; a second one does not.

    Outside the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self._requested = False
        self._open = False
        self._taken: list[signal.Signals] = []

    def __enter__(self) -> Interrupts:
        # A handler that is not Python's own belongs to somebody (an editor, a job runner).
        mine = threading.current_thread() is threading.main_thread()
        for number in (signal.SIGINT, signal.SIGTERM):
            if mine and signal.getsignal(number) is signal.default_int_handler:
                signal.signal(number, self._handle)
                self._taken.append(number)
        return self

    def __exit__(self, *raised: object) -> None:
        while self._taken:
            signal.signal(self._taken.pop(), signal.default_int_handler)

    @contextmanager
    def open(self) -> Iterator[None]:
        """A block in which Ctrl-C acts at once: an evaluation, a proposal, a wait."""
        self._open = True
        try:
            self.check()
            yield
        finally:
            self._open = False

    def check(self) -> None:
        """Raises KeyboardInterrupt if Ctrl-C was pressed since."""
        if self._requested:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self._requested = self._requested, True
        if self._open or again:
            raise KeyboardInterrupt
