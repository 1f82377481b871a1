"""Which training-free scores a task has: functions of its own, or scores of its networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from optiproxy.errors import InvalidValueError, invalid, unknown
from optiproxy.metrics import Function
from optiproxy.scores.registry import AUTO, SCORES
from optiproxy.spaces import Architecture, Space

if TYPE_CHECKING:
    from torch import nn

    from optiproxy.scores import NetworkScores

#: As a user gives them; see `optiproxy.Task`.
Features = Mapping[str, Function] | str | Iterable[str]


def checked_features(features: Features) -> dict[str, Function] | tuple[str, ...]:
    """Functions by name, or the names of scores; none where it is ``"none"``.

    Raises:
        InvalidValueError: It is something else, or there is no such score.
    """
    if isinstance(features, Mapping):
        if not all(map(callable, features.values())):
            raise invalid("Task: features", features, "give name → function of one architecture")
        return dict(features)
    if isinstance(features, str):
        known = {"auto": AUTO, "none": ()}
        features = known.get(features.strip(), features.split(","))
    if not isinstance(features, Iterable):
        remedy = "give auto, none, names of scores, or name → function of one architecture"
        raise invalid("Task: features", features, remedy)
    names = tuple(dict.fromkeys(str(name).strip() for name in features))
    for name in names:
        if name not in SCORES.names():
            raise unknown("features", name, ("auto", "none", *SCORES.names()))
    return names


def network_scores(
    names: tuple[str, ...],
    space: Space,
    build: Callable[[Architecture], nn.Module] | None,
    example_input: Callable[[], Any] | None,
) -> NetworkScores:
    """The scores of a task's networks.

    They are of its own `build`, if there is an example of their input; else of the small network of
    a published space, whose scores rank architectures as those of the large one do
    (docs/scores.md); else of the space's `build`.

    Args:
        names: Of scores.
        space: The task's.
        build: The task's own, if it has one.
        example_input: Makes one input of its networks.

    Raises:
        InvalidValueError: The task has no networks, or no example of their input.
    """
    from optiproxy.scores import NetworkScores, small_network

    if build is None or example_input is None:
        try:
            small = small_network(space)
        except InvalidValueError:
            pass  # It is no published space.
        else:
            return NetworkScores(space, small.build, small.example_input, names=names)
    build = build or (space.build if space.can_build else None)
    if build is None or example_input is None:
        raise invalid(
            "Task: features", ",".join(names),
            "scores look at networks: give the task `build` and `example_input`, or functions",
        )  # fmt: skip
    return NetworkScores(space, build, example_input(), names=names)
