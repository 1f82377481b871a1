"""Waiting for a storage that can't be used for a while: a lost connection, a full disk."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

_logger = logging.getLogger("optiproxy.study")

#: Seconds that it is waited for.
PATIENCE = 600.0
# Seconds between two attempts.
_PAUSE = 1.0

_FULL = (errno.ENOSPC, errno.EDQUOT)

_T = TypeVar("_T")


class Patience:
    """Waits for one storage of one study, until somebody has pressed Ctrl-C there.

    Args:
        place: The storage, as messages name it.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._hurried = False

    def hurry(self, value: bool) -> None:
        """Whether nothing is waited for from now on."""
        self._hurried = value

    def __call__(self, call: Callable[[], _T], trouble: Callable[[Exception], str]) -> _T:
        """Calls again until that succeeds.

        Args:
            call: Uses the storage.
            trouble: What an error of `call` says is the matter; empty where waiting would not help.

        Raises:
            Exception: That of `call`, where it is not waited for, or no longer.
        """
        end, said = time.monotonic() + PATIENCE, False
        while True:
            try:
                answer = call()
            except Exception as error:
                what = trouble(error)
                if not what or self._hurried or time.monotonic() > end:
                    raise
                if not said:
                    said = True
                    minutes = PATIENCE / 60
                    _logger.warning("%s: %s; waiting, up to %g minutes", self._place, what, minutes)
                time.sleep(_PAUSE)
            else:
                if said:
                    _logger.warning("%s: it can be used again", self._place)
                return answer


def no_room(error: Exception) -> str:
    """That the disk is full, if this is what an error says; else empty."""
    full = isinstance(error, OSError) and error.errno in _FULL
    return f"the disk is full ({error})" if full else ""
