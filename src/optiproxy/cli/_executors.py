"""Where evaluations run: processes of this machine, or a running Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from optiproxy.errors import OptiProxyError, StudyError, invalid

# Seconds to wait for the scheduler: less than Dask's own 30, as an address may be mistyped.
_CONNECT = 10


@contextmanager
def executor_of(address: str | None, workers: int | None) -> Iterator[tuple[Executor | None, int]]:
    """The `executor` and `workers` of `Study.run`; None for processes of this machine.

    Args:
        address: Of a Dask scheduler, or None.
        workers: How many evaluations run at once; by default 1, on Dask one for each thread.
    """
    if address is None:
        yield None, 1 if workers is None else workers
        return
    with _cluster(address) as (executor, threads):
        yield executor, threads if workers is None else workers


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """Connects to the scheduler at `address`: its executor, and how many threads it has.

    Raises:
        OptiProxyError: Dask is not installed.
        InvalidValueError: `address` is not an address.
        StudyError: No scheduler answers, or it has no workers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise OptiProxyError(
            "dask: the package is missing; pip install 'optiproxy[dask]'"
        ) from None
    remedy = "give the scheduler's address, such as tcp://10.0.0.1:8786"
    if "://" not in address:
        raise invalid("dask", address, remedy)
    try:
        client = Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise StudyError(f"dask: no scheduler answers at {address!r} ({error}); {remedy}") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise StudyError(f"dask: the scheduler at {address!r} has no workers yet; start some")
        # A repeated query must run again: as a pure function Dask would return its earlier result.
        yield client.get_executor(pure=False), threads
