"""Ctrl-C at a moment that suits: never in the middle of a write."""

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
        self._previous: signal.Handlers | None = None

    def __enter__(self) -> Interrupts:
        # A handler that is not Python's own belongs to somebody (an editor, a job runner).
        mine = threading.current_thread() is threading.main_thread()
        if mine and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._previous = signal.signal(signal.SIGINT, self._handle)  # type: ignore[assignment]
        return self

    def __exit__(self, *raised: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

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
