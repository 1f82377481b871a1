"""Choice points inside an ordinary module: of layers, of how many there are, of arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from optiproxy._copied import copied
from optiproxy.errors import OptiProxyError, invalid
from optiproxy.nn.choose import Choose, current

# What marks a module in whose constructor `Value` was called outside of a run.
_MARK = "_optiproxy_values"


class Choice(nn.Module):
    """One of several modules. Before one is chosen it computes the first.

    >>> block = Choice({"conv3": nn.Conv2d(8, 8, 3, padding=1), "skip": nn.Identity()})

    Args:
        options: Name → module. Modules may have choice points in them.
        name: Of the choice; by default its place in the model, such as ``stage.0.block``. Choice
            points with the same name have the same option.

    Raises:
        InvalidValueError: An option is no module.
    """

    def __init__(self, options: Mapping[str, nn.Module], name: str | None = None) -> None:
        super().__init__()
        if not isinstance(options, Mapping) or not options:
            raise invalid("Choice: options", options, "give {name: module}")
        for label, module in options.items():
            if not isinstance(label, str) or not isinstance(module, nn.Module):
                raise invalid(
                    f"Choice: option {label!r}", module, "give a module; nn.Identity() for none"
                )
        self.labels = tuple(options)
        self.name = name
        # A list: a label may have a dot in it, which a name of torch's must not.
        self.options = nn.ModuleList(options.values())

    def forward(self, *args: Any, **keywords: Any) -> Any:
        return self.options[0](*args, **keywords)

    def extra_repr(self) -> str:
        return ", ".join(map(repr, self.labels))


class Repeat(nn.Sequential):
    """A block several times in a row. Before a number is chosen it has the most.

    Choice points inside are separate choices at each place, unless they have a name.

    >>> stage = Repeat(lambda i: nn.Conv2d(3 if i == 0 else 8, 8, 3, padding=1), [1, 2, 3])

    Args:
        block: ``block(i)`` → the module at place i, from 0; or a module, of which copies are made
            with initial weights of their own where its layers have a ``reset_parameters``.
        counts: How many; 0 hands on the input.
        name: As in `Choice`.

    Raises:
        InvalidValueError: An argument can't be used.
    """

    def __init__(
        self,
        block: nn.Module | Callable[[int], nn.Module],
        counts: Sequence[int],
        name: str | None = None,
    ) -> None:
        whole = isinstance(counts, Sequence) and all(type(n) is int and n >= 0 for n in counts)
        if not whole or not counts:
            raise invalid("Repeat: counts", counts, "give a list of whole numbers of 0 or more")
        if not callable(block):
            raise invalid("Repeat: block", block, "give a function of the place, or a module")
        make = (lambda i: _copy(block, i)) if isinstance(block, nn.Module) else block
        super().__init__(*(make(i) for i in range(max(counts))))
        self.counts = tuple(counts)
        self.name = name

    def extra_repr(self) -> str:
        return f"counts={list(self.counts)}"


def Value(name: str, options: Sequence[Any] | Mapping[str, Any]) -> Any:  # noqa: N802
    """An argument to be chosen, in the constructor of a model that `space_of` calls.

    Outside of it, it is the first option, so that the model can be tried.

    >>> def network():
    ...     return nn.TransformerEncoderLayer(64, nhead=Value("heads", [2, 4, 8]))

    Args:
        name: Of the choice. Values with the same name are the same.
        options: As of `Choose`.

    Raises:
        InvalidValueError: An argument can't be used.
    """
    choose = current()
    if choose is not None:
        return choose(name, options)
    for module in _under_construction():
        module.__dict__[_MARK] = (*module.__dict__.get(_MARK, ()), name)
    return Choose(lambda name, labels: 0)(name, options)


def _under_construction() -> Iterator[nn.Module]:
    """The modules whose constructors are running."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "__init__":
            module = frame.f_locals.get("self")
            if isinstance(module, nn.Module):
                yield module
        frame = frame.f_back


def check_no_values(model: nn.Module) -> None:
    """Refuses a model whose constructor used `Value`: only calling it again changes an argument.

    Raises:
        OptiProxyError: It did.
    """
    for module in model.modules():
        if names := module.__dict__.get(_MARK):
            kind = type(module).__name__
            raise OptiProxyError(
                f"space_of: {kind} uses Value {names[0]!r} in its constructor, which must be "
                f"called again for each option: give the class or a function, "
                f"space_of({kind}) or space_of(lambda: {kind}(...))"
            )


def resolve(model: nn.Module, choose: Choose, *, replace: bool = True) -> nn.Module:
    """The model with every choice point replaced by what `choose` answers.

    Args:
        model: Changed in place.
        choose: The run.
        replace: False only asks, and leaves the model as it is.
    """
    return _resolved(model, choose, "", replace, {})


def _resolved(
    module: nn.Module, choose: Choose, path: str, replace: bool, done: dict[int, nn.Module]
) -> nn.Module:
    if id(module) in done:  # A module that is used in two places stays shared.
        return done[id(module)]
    found = module
    if isinstance(module, Choice):
        place = point_name(module, path)
        label = choose(place, module.labels)
        option = module.options[module.labels.index(label)]
        found = _resolved(option, choose, inside(path, label), replace, done)
    elif isinstance(module, Repeat):
        count = choose(point_name(module, path), module.counts)
        blocks = [
            _resolved(block, choose, inside(path, i), replace, done)
            for i, block in enumerate(list(module)[:count])
        ]
        found = nn.Sequential(*blocks) if replace else module
    else:
        for name, child in list(module._modules.items()):
            if child is not None:
                new = _resolved(child, choose, inside(path, name), replace, done)
                if replace:
                    module._modules[name] = new
    done[id(module)] = found
    return found


def point_name(point: Choice | Repeat, path: str) -> str:
    """How a choice point is called."""
    return point.name or path or type(point).__name__.lower()


def inside(path: str, name: object) -> str:
    """The place of a part of what is at `path`."""
    return f"{path}.{name}" if path else str(name)


def _copy(block: nn.Module, place: int) -> nn.Module:
    new = copied(block)
    for layer in new.modules() if place else ():
        if callable(reset := getattr(layer, "reset_parameters", None)):
            reset()
    return new
