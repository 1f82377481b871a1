"""The cores of this machine, and a fixed number of threads for reproducible results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pinned_threads(threads: int) -> Iterator[None]:
    """Runs its block with `threads` threads of torch, and restores the earlier number."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Not on macOS, not on Windows.
        return os.cpu_count() or 1
