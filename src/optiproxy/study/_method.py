"""The method of a study by its name, and the optimiser that it makes for a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optiproxy import proxies
from optiproxy.errors import invalid
from optiproxy.methods import METHODS
from optiproxy.metrics import Function
from optiproxy.search import Optimizer
from optiproxy.search.warm_start import EarlierStudy
from optiproxy.tasks import Task


class Method:
    """A registered method and its proxy.

    Args:
        name: One of `methods.METHODS`.
        proxy: Its model; None for the method's own default.

    Attributes:
        proxy: The proxy's name; None for a method that has none.

    Raises:
        InvalidValueError: There is no such method or proxy, or the method has no proxy.
    """

    def __init__(self, name: str, proxy: str | None) -> None:
        self.name = name
        self._make: Callable[..., Optimizer] = METHODS.get(name)
        self.proxy = self._proxy(proxy)

    def optimizer(self, task: Task, seed: int, earlier: Sequence[EarlierStudy] = ()) -> Optimizer:
        """A new optimiser with those options of `task` that the method can use.

        Args:
            task: What is searched, with absolute limits.
            seed: The study's.
            earlier: Of a warm start (see `check_warm_start`).
        """
        options: dict[str, Any] = {"proxy": self.proxy} if self.proxy is not None else {}
        if self._declares("uses_exact") and (exact := _exact(task)):
            options["exact"] = exact
        if self.knows_networks:
            options["distinct"] = task.distinct
        if self._declares("uses_features") and task.features:
            options["features"] = task.features
        if earlier:
            options["warm_start"] = [study.pairs(task.space) for study in earlier]
        return self._make(
            task.space,
            {o.metric: o.direction for o in task.objectives},
            constraints=[c.text for c in task.constraints],
            seed=seed,
            **options,
        )

    @property
    def knows_networks(self) -> bool:
        """Whether it can leave out architectures that are the same network (``distinct``)."""
        return bool(self._declares("uses_distinct"))

    def check_warm_start(self) -> None:
        """Raises InvalidValueError where the method can't learn from earlier studies."""
        if not self._declares("uses_warm_start"):
            raise invalid("warm_start", self.name, "this method can't use one; leave it out")

    def _declares(self, ability: str) -> Any:
        """A class attribute of the method; a function that makes one has `Optimizer`'s defaults."""
        return getattr(self._make, ability, getattr(Optimizer, ability))

    def _proxy(self, proxy: str | None) -> str | None:
        default: str | None = self._declares("default_proxy")
        if default is None:
            if proxy is not None:
                raise invalid("proxy", proxy, f"the method {self.name!r} has none; leave it out")
            return None
        if proxy is None:
            return default
        proxies.get(proxy)
        return proxies.canonical(proxy)


def _exact(task: Task) -> dict[str, Function]:
    """The exact metrics among the objectives and limits."""
    return {name: task.exact[name] for name in task.needed if name in task.exact}
