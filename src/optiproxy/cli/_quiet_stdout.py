"""Keeps standard output free of what evaluators print."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO


@contextmanager
def quiet_stdout() -> Iterator[None]:
    """Inside, whatever is printed goes to standard error.

    An evaluator may print in this process or in a worker, from Python or from C, so the file
    descriptor is redirected too.
    """
    with redirect_stdout(sys.stderr):
        descriptors = _descriptors(sys.__stdout__, sys.__stderr__)
        if descriptors is None:
            yield
            return
        out, err = descriptors
        sys.__stdout__.flush()  # type: ignore[union-attr]
        kept = os.dup(out)
        os.dup2(err, out)
        try:
            yield
        finally:
            sys.__stdout__.flush()  # type: ignore[union-attr]
            os.dup2(kept, out)
            os.close(kept)


def _descriptors(out: TextIO | None, err: TextIO | None) -> tuple[int, int] | None:
    try:
        return None if out is None or err is None else (out.fileno(), err.fileno())
    except (OSError, ValueError):  # A notebook's or a test's streams have none.
        return None
