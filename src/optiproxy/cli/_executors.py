"""A running Dask cluster as an executor."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from optiproxy.errors import OptiProxyError, StudyError, invalid

# Seconds to wait for the scheduler: less than Dask's own 30, as an address may be mistyped.
_CONNECT = 10


@contextmanager
def dask_cluster(address: str) -> Iterator[tuple[Executor, int]]:
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
