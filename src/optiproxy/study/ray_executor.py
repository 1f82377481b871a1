"""A Ray cluster as an executor."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from optiproxy.errors import OptiProxyError


class RayExecutor(Executor):
    """Evaluates on a Ray cluster: ``study.run(100, executor=op.study.RayExecutor(num_gpus=1))``.

    By default as many evaluations run at once as the cluster has room for. One whose process died
    is tried once more.

    Args:
        address: Of the cluster, as of ``ray.init``; None for the one that is connected already, or
            for a new one on this machine.
        options: What an evaluation needs and how it runs, as of Ray's ``options``: ``num_cpus``
            (by default 1), ``num_gpus``, ``resources``, ``max_retries``, ….

    Raises:
        OptiProxyError: Ray is not installed.
    """

    def __init__(self, address: str | None = None, **options: Any) -> None:
        try:
            import ray
        except ImportError:
            raise OptiProxyError(
                "ray: the package is missing; pip install 'optiproxy[ray]'"
            ) from None
        if address is not None or not ray.is_initialized():
            ray.init(address=address, ignore_reinit_error=True)
        options = {"num_cpus": 1, "max_retries": 1, **options}
        there = ray.cluster_resources()
        needed = {"CPU": options["num_cpus"], "GPU": options.get("num_gpus")}
        needed |= options.get("resources", {})
        #: How many evaluations run at once.
        self._max_workers = int(min(there.get(what, 0) // n for what, n in needed.items() if n))
        self._call = ray.remote(_call).options(**options)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Starts a call on the cluster."""
        future: Future[Any] = self._call.remote(fn, args, kwargs).future()
        return future


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return function(*args, **kwargs)  # Ray itself takes no methods.
