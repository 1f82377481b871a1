"""One thread for small matrices.

A product of 100 x 100 matrices that wakes every core loses far more to the waking than it gains
(METHOD: twenty times on a busy machine), whatever OMP_NUM_THREADS says. The optimiser therefore
bounds its own threads, and puts the setting back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

# BLAS has one number for all threads of a process, where OpenMP and torch have one for each: of
# those that overlap in here the first bounds it and the last puts it back, or one of them would
# save the other's bound as the earlier number.
_lock = threading.Lock()
_inside = 0
_bound = ExitStack()


@cache
def _controller() -> ThreadpoolController:
    # Looking through the loaded libraries takes milliseconds; they do not change afterwards.
    return ThreadpoolController()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Runs its block on one thread: torch, BLAS and OpenMP; restores the earlier numbers.

    Nor does it matter in there what a training has left behind in this process: gradients that are
    switched off, another default device or type of numbers.
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
    # A default device is looked at by every call of torch, so none is set where none is needed.
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
