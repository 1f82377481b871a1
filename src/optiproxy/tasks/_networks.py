"""The networks of a task: how they are built, checked and scored before any training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from optiproxy._example_input import tensors
from optiproxy.metrics import Function
from optiproxy.spaces import Architecture, Space
from optiproxy.tasks import _preflight
from optiproxy.tasks.networks import checked_network
from optiproxy.tasks.training_free import network_scores

if TYPE_CHECKING:
    from torch import nn

    from optiproxy.scores import NetworkScores
    from optiproxy.tasks._device import Device


class TaskNetworks:
    """The networks of a task's architectures; see `Task` for the attributes, which it sets."""

    name: str
    space: Space
    in_memory: bool
    example_input: Callable[[], Any] | None
    device: Device | None
    _build: Callable[[Architecture], nn.Module] | None
    _features: dict[str, Function] | tuple[str, ...]
    _by_default: bool
    _validated: bool

    def validate(self) -> None:
        """Looks for mistakes in a space and a `build` of the user's own; nothing is evaluated.

        A search calls it before its first query.

        Raises:
            InvalidValueError: With all that was found: see `spaces.check`; and options that `build`
                does not know; or scores are wanted of a task without networks, or a measurement of
                networks that do not read tensors.
        """
        if not self._validated:
            _ = self.features
            if self.device is not None:
                self.device.validate()
            own = self._build or not type(self.space).__module__.startswith("optiproxy.")
            build = self.build if own and self.can_build and not self.in_memory else None
            _preflight.validate(self.name, self.space, build)
            self._validated = True

    @cached_property
    def features(self) -> Mapping[str, Function] | NetworkScores:
        """The training-free scores: name → function, or scores of networks, which remember them.

        Raises:
            InvalidValueError: Scores are wanted, and the task has no networks.
        """
        if isinstance(self._features, dict):
            return self._features
        if not self.score_names:
            return {}
        return network_scores(self.score_names, self.space, self._build, self.example_input)

    @cached_property
    def score_names(self) -> tuple[str, ...] | None:
        """The training-free scores for which networks are built; None if all are functions."""
        if isinstance(self._features, dict):
            return None
        if self._by_default and self.example_input and not tensors(self.example_input()):
            return ()  # They look at tensors, and nobody has asked for them.
        return self._features

    @property
    def can_build(self) -> bool:
        """Whether there is a `build`, of the task or of its space."""
        return self._build is not None or self.space.can_build

    def build(self, arch: Architecture) -> nn.Module:
        """The untrained network of `arch`: the task's own `build`, or else the space's.

        Raises:
            InvalidValueError: What it returned is no network.
        """
        built = self._build(arch) if self._build is not None else self.space.build(arch)
        return checked_network("build", built)
