"""One thread for small matrices.

A product of 100 x 100 matrices that wakes every core loses far more to the waking than it gains
(METHOD: twenty times on a busy machine), whatever OMP_NUM_THREADS says. The optimiser therefore
bounds its own threads, and puts the setting back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    # Looking through the loaded libraries takes milliseconds; they do not change afterwards.
    return ThreadpoolController()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Runs its block on one thread: torch, BLAS and OpenMP; restores the earlier numbers."""
    threads = torch.get_num_threads()
    with _controller().limit(limits=1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
