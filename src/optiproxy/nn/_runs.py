"""One run of a network's function, as quick as possible, and two that contradict each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from optiproxy.errors import InvalidValueError, OptiProxyError
from optiproxy.nn.choose import Choose
from optiproxy.spaces import Chain, Float, Int, Option

Network = Callable[[Choose], nn.Module | None]
Policy = Callable[[str, int], int]

# How often the answers of a run that fails are changed to keep the rules.
ATTEMPTS = 100


@dataclass(frozen=True)
class Run:
    """What one run asked for, in order, and what it was answered.

    Attributes:
        asked: Name → labels.
        picked: Name → label.
        ranges: Name → range, of the choices that are numbers of one; their labels are its ends.
        shape: The modules and the shapes of the parameters of what it returned, if it did.
    """

    asked: Mapping[str, tuple[Option, ...]]
    picked: Mapping[str, Option]
    ranges: Mapping[str, Float | Int]
    shape: tuple[Any, ...]

    def __str__(self) -> str:
        return ", ".join(f"{name}={option!r}" for name, option in self.picked.items()) or "(none)"


class Runner:
    """Runs a function without initialising weights, and compares each run with those before.

    Args:
        network: The function. It may fail where the answers break a rule.
        where: The rules.

    Attributes:
        runs: All that were made, in order.
    """

    def __init__(self, network: Network, where: Sequence[str] = ()) -> None:
        self._network, self._where = network, tuple(where)
        self.runs: list[Run] = []
        # First answers → what was asked next: after the same answers the same is asked again.
        self._next: dict[tuple[tuple[str, Option], ...], tuple[str | None, Run]] = {}
        self._options: dict[str, Run] = {}

    def run(self, known: Mapping[str, Option], policy: Policy) -> Run:
        """A run in which the choices `known` have these options, and others what `policy` says.

        Answers that break a rule, and with which the function fails, are changed.

        Raises:
            InvalidValueError: It contradicts an earlier run, or fails though it keeps the rules.
        """
        run = self.quietly(known, policy)
        self._check_options(run)
        self._check_order(run)
        self.runs.append(run)
        return run

    def again(self, run: Run) -> None:
        """Repeats a run.

        Raises:
            InvalidValueError: The network is another one this time.
        """
        other = self.run(run.picked, lambda name, size: 0)
        if other.shape != run.shape:
            raise _random(run, run, "made networks of different shape")

    def quietly(self, known: Mapping[str, Option], policy: Policy) -> Run:
        """The same without comparing it."""

        given = dict(known)

        def answer(name: str, labels: tuple[Option, ...]) -> int:
            option = given.get(name)
            return labels.index(option) if option in labels else policy(name, len(labels))

        for _ in range(ATTEMPTS):
            choose = Choose(answer)
            try:
                with quick_layers():
                    model = self._network(choose)
            except OptiProxyError:
                raise
            except Exception as error:
                failed = error
                allowed = self._within_rules(choose)
                if allowed == choose.picked:
                    break
                given.update(allowed)
            else:
                shape = _shape(model)
                return Run(dict(choose.asked), dict(choose.picked), dict(choose.ranges), shape)
        answers = ", ".join(f"{name}={option!r}" for name, option in choose.picked.items())
        raise InvalidValueError(
            f"space_of: the network can't be built with {answers or 'no answer'}: "
            f"{type(failed).__name__}: {failed}; mend the function, or leave such answers "
            'out by a rule, as in where=["width % heads == 0"]'
        ) from failed

    def _within_rules(self, choose: Choose) -> dict[str, Option]:
        """The nearest answers that keep the rules, as far as these name what was asked."""
        options = {name: list(labels) for name, labels in choose.asked.items()}
        rules = []
        for rule in self._where:
            with suppress(InvalidValueError):  # It names a choice that was not asked.
                Chain(options, where=[rule])
                rules.append(rule)
        if not rules:
            return dict(choose.picked)
        space = Chain(options, where=rules)
        row = [[labels.index(choose.picked[name]) for name, labels in options.items()]]
        (kept,) = space.repair(np.array(row))
        return {name: labels[i] for (name, labels), i in zip(options.items(), kept, strict=True)}

    def _check_options(self, run: Run) -> None:
        for name, labels in run.asked.items():
            first = self._options.setdefault(name, run)
            if first.asked[name] != labels:
                one, other = self._nearest(first, run, name)
                raise InvalidValueError(
                    f"choose: {name!r}: its options depend on other choices:\n"
                    f"  {list(one.asked[name])} with {one}\n"
                    f"  {list(other.asked[name])} with {other}\n"
                    "give it the same options in every run, or two names"
                )

    def _nearest(self, one: Run, other: Run, name: str) -> tuple[Run, Run]:
        """Two runs with different options of a choice, alike but for few answers."""
        for changed, option in other.picked.items():
            if changed == name or one.picked.get(changed, option) == option:
                continue
            step = self.quietly({**one.picked, changed: option}, lambda name, size: 0)
            if name in step.asked and step.asked[name] != one.asked[name]:
                return one, step
            if name in step.asked:
                one = step
        return one, other

    def _check_order(self, run: Run) -> None:
        beginning: tuple[tuple[str, Option], ...] = ()
        for name in (*run.asked, None):
            expected, before = self._next.setdefault(beginning, (name, run))
            if expected != name:
                raise _random(before, run, f"asked for {expected!r} and for {name!r}")
            if name is not None:
                beginning = (*beginning, (name, run.picked[name]))


def _random(one: Run, other: Run, what: str) -> InvalidValueError:
    return InvalidValueError(
        f"space_of: the function does not build the same network from the same answers: two runs "
        f"{what}\n  {one}\n  {other}\nleave everything random in it to choose, and to the weights"
    )


def _shape(model: nn.Module | None) -> tuple[Any, ...]:
    if model is None:
        return ()
    # By its name, since a class may be made anew in each run.
    modules = ((name, type(module).__qualname__) for name, module in model.named_modules())
    parameters = (
        (name, None if is_lazy(p) else tuple(p.shape)) for name, p in model.named_parameters()
    )
    return (*modules, *parameters)


_INITIALISERS = [
    name
    for name in dir(nn.init)
    if name.endswith("_") and not name.startswith("_") and callable(getattr(nn.init, name))
]
_lock = threading.RLock()


@contextmanager
def quick_layers() -> Iterator[None]:
    """Layers that are made inside, in this thread, have uninitialised weights, which is faster;
    torch's generator is left as it was.
    """
    thread = threading.get_ident()

    def replaced(original: Callable[..., Any]) -> Callable[..., Any]:
        def initialise(tensor: torch.Tensor, *args: Any, **keywords: Any) -> torch.Tensor:
            if threading.get_ident() == thread:
                return tensor
            result: torch.Tensor = original(tensor, *args, **keywords)
            return result

        return initialise

    with _lock, torch.random.fork_rng(devices=[]):
        originals = {name: getattr(nn.init, name) for name in _INITIALISERS}
        try:
            for name, original in originals.items():
                setattr(nn.init, name, replaced(original))
            yield
        finally:
            for name, original in originals.items():
                setattr(nn.init, name, original)
