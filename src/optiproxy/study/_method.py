"""The method of a study by its text, and the optimiser that it makes for a task."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

from optiproxy import proxies, references
from optiproxy.errors import invalid
from optiproxy.methods import METHODS
from optiproxy.metrics import Function
from optiproxy.search import Optimizer
from optiproxy.search.settings import FEATURES, read_settings
from optiproxy.search.warm_start import Earlier, EarlierStudy
from optiproxy.study._scores import TimedScores
from optiproxy.tasks import Task

_TEXT = re.compile(r"(?P<name>[^\[\]]+)(?:\[(?P<settings>[^\[\]]*)\])?")


class Method:
    """A method, its settings and its proxy.

    Args:
        text: One of `methods.METHODS`, or a class or function of the user's own, as
            ``my_module:Method`` or ``path/to/file.py:Method``; with settings in brackets, as
            ``optiproxy[n_init=5,acquisition=mean+optimism]``. ``features=auto``, or names of scores
            with plus signs between them, has the task's networks scored.
        proxy: Its model; None for the method's own default.
        begun: The folder where a stored study was begun, see `references.placed`.

    Attributes:
        make: The class, or a function that makes an optimiser.
        proxy: The proxy's name; None for a method that has none.

    Raises:
        InvalidValueError: There is no such method, setting or proxy, or the method has no proxy.
    """

    def __init__(self, text: str, proxy: str | None = None, begun: str | None = None) -> None:
        name, settings = _parsed(text)
        self.name = text
        self._begun = begun
        self.make: Callable[..., Optimizer] = _found(references.placed(name, begun))
        self._settings = read_settings(self.make, name, settings)
        self._features: tuple[str, ...] | None = self._settings.pop(FEATURES, None)
        self.proxy = self._proxy(proxy)

    @classmethod
    def read(cls, text: str) -> Method:
        """A method with its model in one text: ``METHOD:PROXY``, ``METHOD:PROXY[SETTINGS]``."""
        return cls(*split(text))

    def optimizer(
        self,
        task: Task,
        seed: int,
        earlier: Sequence[Earlier] = (),
        scores: TimedScores | None = None,
    ) -> Optimizer:
        """A new optimiser with those options of `task` that the method can use.

        Args:
            task: What is searched, with absolute limits.
            seed: The study's.
            earlier: Of a warm start (see `check_warm_start`).
            scores: Those of the task's networks, within a time limit.
        """
        options: dict[str, Any] = {}
        if self.proxy is not None:
            options["proxy"] = proxies.placed(self.proxy, self._begun)
        if self._declares("uses_exact") and (exact := _exact(task)):
            options["exact"] = exact
        if self.knows_networks:
            options["distinct"] = task.distinct
        if self.uses_features and (features := scores or task.features):
            options["features"] = features
        if earlier:
            options["warm_start"] = [
                study.pairs(task.space) if isinstance(study, EarlierStudy) else study
                for study in earlier
            ]
        made = self.make(
            task.space,
            {o.metric: o.direction for o in task.objectives},
            constraints=[c.text for c in task.constraints],
            seed=seed,
            **self._settings,
            **options,
        )
        made.noise = task.noise
        return made

    def with_scores(self, task: Task) -> Task:
        """The task with those training-free scores that the method's settings name."""
        if self._features is None:
            return task
        named = self._features in (("auto",), ("none",))
        return task.replaced(features=self._features[0] if named else self._features)

    @property
    def uses_features(self) -> bool:
        """Whether it can use training-free scores."""
        return bool(self._declares("uses_features"))

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
        return getattr(self.make, ability, getattr(Optimizer, ability))

    def _proxy(self, proxy: str | None) -> str | None:
        default: str | None = self._declares("default_proxy")
        if default is None:
            if proxy is not None:
                raise invalid("proxy", proxy, f"the method {self.name!r} has none; leave it out")
            return None
        if proxy is None:
            return default
        proxies.get(proxies.placed(proxy, self._begun))
        return proxies.canonical(proxy)


def split(text: str) -> tuple[str, str | None]:
    """``METHOD:PROXY[SETTINGS]`` → ``METHOD[SETTINGS]`` and the proxy; None where none is given."""
    name, bracket, settings = text.partition("[")
    first, colon, rest = name.partition(":")
    if colon and first not in METHODS.names():  # the user's own, a place and what is in it
        attribute, colon, rest = rest.partition(":")
        first = f"{first}:{attribute}"
    return f"{first}{bracket}{settings}", rest if colon else None


def _parsed(text: str) -> tuple[str, str]:
    found = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise invalid("method", text, "give a name, or name[setting=value,…]")
    return found["name"], found["settings"] or ""


def _found(name: str) -> Callable[..., Optimizer]:
    if ":" not in name:
        made: Callable[..., Optimizer] = METHODS.get(name)
        return made
    own = references.find("method", name, os.getcwd(), Optimizer)
    if not callable(own) or (isinstance(own, type) and not issubclass(own, Optimizer)):
        remedy = "name a subclass of optiproxy.search.Optimizer, or a function that makes one"
        raise invalid("method", name, remedy)
    return own  # type: ignore[no-any-return]


def _exact(task: Task) -> dict[str, Function]:
    """The exact metrics among the objectives and limits."""
    return {name: task.exact[name] for name in task.needed if name in task.exact}
