"""A fixed number of threads around what must not depend on the machine's other settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def pinned_threads(threads: int) -> Iterator[None]:
    """Runs its block with torch on `threads` threads; puts the earlier number back."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
