"""A fixed number of threads for results that must not depend on the machine's settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def pinned_threads(threads: int) -> Iterator[None]:
    """Runs its block with `threads` threads of torch, and restores the earlier number."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
