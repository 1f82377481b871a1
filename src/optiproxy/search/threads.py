"""One thread for small matrices.

Starting threads on every core for a product of 100 x 100 matrices can cost twenty times the product
on a busy machine. The optimiser therefore limits its own threads, whatever OMP_NUM_THREADS says,
and restores the setting.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

# The setting of BLAS belongs to the process, those of OpenMP and torch to a thread. Of overlapping
# calls the first therefore limits BLAS and the last one restores it.
_lock = threading.Lock()
_inside = 0
_bound = ExitStack()


@cache
def _controller() -> ThreadpoolController:
    # Searching the loaded libraries takes milliseconds; they do not change afterwards.
    return ThreadpoolController()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Runs its block on one thread of torch, BLAS and OpenMP, then restores the settings.

    The block has gradients enabled, the CPU as device and single precision as default, whatever a
    training has set in this process.
    """
    _enter()
    threads = torch.get_num_threads()
    try:
        with (
            _controller().select(user_api="openmp").limit(limits=1),
            torch.inference_mode(False),
            torch.enable_grad(),
            _on_cpu(),
            _in_single_precision(),
        ):
            torch.set_num_threads(1)
            try:
                yield
            finally:
                torch.set_num_threads(threads)
    finally:
        _leave()


def _on_cpu() -> AbstractContextManager[object]:
    # Setting a default device slows down every call of torch; it is set only if it differs.
    cpu = torch.device("cpu")
    return nullcontext() if torch.get_default_device() == cpu else cpu


@contextmanager
def _in_single_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    if before is torch.float32:
        yield
        return
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _enter() -> None:
    global _inside
    with _lock:
        if _inside == 0:
            _bound.enter_context(_controller().select(user_api="blas").limit(limits=1))
        _inside += 1


def _leave() -> None:
    global _inside
    with _lock:
        _inside -= 1
        if _inside == 0:
            _bound.close()
