"""Smaller versions of a network that exists, with its weights."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from optiproxy.errors import InvalidValueError, OptiProxyError, first_line, invalid, unknown
from optiproxy.nn._changes import Change, Depth, Heads, Removed, Width, hidden_layer
from optiproxy.nn._channels import Follower, NotAdaptableError
from optiproxy.nn._kernels import Kernel
from optiproxy.nn._passes import Passes
from optiproxy.nn._sliced import Sliced
from optiproxy.nn.space import ModelSpace

Keep = Literal["importance", "first"]
WHAT = ("out_channels", "out_features", "kernel_size", "num_heads", "mlp_ratio", "depth")


def searchable(
    model: nn.Module,
    changes: Mapping[str, Mapping[str, Sequence[int | float]]],
    example_input: Any,
    *,
    keep: Keep = "importance",
) -> ModelSpace:
    """The space of smaller versions of a network, such as a trained one.

    Every network is a copy of the model with some of its channels, layers or heads, and their
    weights: a short training adapts them. What follows a changed width changes with it, found by
    running the model (`_channels`): layers behind it, normalisation, other layers whose outputs are
    added to it.

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 3))
    >>> space = searchable(model, {"0": {"out_features": [0.25, 0.5, 1.0]}}, torch.zeros(1, 4))
    >>> space.build(space.architecture({"0.out_features": 0.25}))[2]
    Linear(in_features=16, out_features=3, bias=True)

    Args:
        model: Any module on the CPU; it is left as it is.
        changes: Name of a module, as in ``model.named_modules()``, or a pattern with ``*`` for one
            part of a name → what changes → options:

            - ``out_channels``, ``out_features`` of a convolution or a linear layer: numbers, or
              fractions of what there is, 1.0 for all. Layers that must have equal widths are one
              choice.
            - ``kernel_size`` of a convolution with an odd square kernel: its middle stays.
            - ``num_heads`` of an attention: of those with projections for queries, keys and values
              that can be cut, heads are taken away; others, such as `nn.MultiheadAttention`, have
              the same weights in other heads.
            - ``mlp_ratio`` of a block: the width within its MLP, in widths of the block.
            - ``depth`` of a `nn.Sequential` or `nn.ModuleList`: the first ones stay.
        example_input: One input of the model, a tuple of several, a mapping of keywords, or a
            function that returns it.
        keep: Which channels and heads stay: ``"importance"``, those with the largest absolute
            weights, or ``"first"``.

    Raises:
        InvalidValueError: A name or an option can't be used, or something can't be adapted: all
            reasons in one message.
    """
    if not isinstance(model, nn.Module):
        raise invalid("searchable: model", model, "give a torch.nn.Module")
    if keep not in ("importance", "first"):
        raise unknown("searchable: keep", keep, ("importance", "first"))
    asked = _asked(changes)
    given = example_input() if callable(example_input) else example_input
    passes = _passes(model, given)
    found, problems = _changes(model, asked, passes, keep)
    source = Sliced(model, found)
    # Heads have been tried, for how they can be changed.
    others = Sliced(model, [change for change in found if not isinstance(change, Heads)])
    problems += others.problems(passes) if not problems else []
    if problems:
        raise InvalidValueError("searchable: " + "; ".join(problems))
    return ModelSpace(source)


def _changes(
    model: nn.Module,
    asked: Sequence[tuple[str, str, list[int | float]]],
    passes: Passes,
    keep: Keep,
) -> tuple[list[Change], list[str]]:
    """What may change, and what can't be."""
    modules = dict(model.named_modules())
    order = {name: place for place, name in enumerate(modules)}
    makers = _makers(model, passes, keep)
    found: list[Change] = []
    problems: list[str] = []
    for pattern, what, options in asked:
        names = [name for name in modules if _matches(name, pattern)]
        if not names:
            problems.append(str(unknown("module", pattern, list(modules)[1:])))
        for name in names:
            make = makers.get(what)
            if make is None:
                problems.append(str(unknown(f"{pattern!r}", what, WHAT)))
                break
            same = next((c for c in found if isinstance(c, Width) and c.holds(name, what)), None)
            if same is not None:
                if same.options != tuple(options):
                    problems.append(
                        f"{name}.{what}: it has the same width as {same.name}, so that it needs "
                        f"the same options: {list(same.options)}"
                    )
                continue
            try:
                change = make(name, options)
                _check_parameters(modules, change)
                found.append(change)
            except NotAdaptableError as error:
                problems.append(f"{name}.{what}: {error}")
    found.sort(key=lambda change: (order[change.layers[0]], not isinstance(change, Depth)))
    return found, problems


def _check_parameters(modules: Mapping[str, nn.Module], change: Change) -> None:
    """Raises NotAdaptableError where the weight of a layer that changes is made in each run."""
    removed: Removed = {}
    for option in change.options:
        change.remove(option, removed)
    for name in (*change.layers, *(layer for layer, _ in removed)):
        layer = modules.get(name)
        if layer is not None and isinstance(vars(layer).get("weight"), Tensor):
            hooks = ", ".join(type(hook).__name__ for hook in layer._forward_pre_hooks.values())
            raise NotAdaptableError(
                f"the weight of {name!r} is no parameter, but made by {hooks or 'other code'} in "
                "each run; make it one first, as by torch.nn.utils.remove_weight_norm, "
                "remove_spectral_norm or prune.remove"
            )


def _asked(changes: Any) -> list[tuple[str, str, list[int | float]]]:
    """Pattern, what, options.

    Raises:
        InvalidValueError: It has another form.
    """
    if not isinstance(changes, Mapping) or not changes:
        raise invalid("searchable: changes", changes, "give {module: {what: [options]}}")
    found = []
    for pattern, wanted in changes.items():
        if not isinstance(pattern, str):
            remedy = "give the name of a module as text, as in model.named_modules()"
            raise invalid("searchable: changes", pattern, remedy)
        if not isinstance(wanted, Mapping) or not wanted:
            raise invalid(f"searchable: {pattern!r}", wanted, "give {what: [options]}")
        for what, options in wanted.items():
            whole = isinstance(options, Sequence) and not isinstance(options, str) and options
            if not whole or not all(type(o) in (int, float) and 0 < o < math.inf for o in options):
                field = f"searchable: {pattern!r}: {what}"
                raise invalid(field, options, "give positive numbers in a list, none infinite")
            found.append((pattern, what, list(options)))
    return found


def _passes(model: nn.Module, example_input: Any) -> Passes:
    """Raises InvalidValueError where the model can't be copied, or run on its input."""
    try:
        return Passes(model, example_input)
    except OptiProxyError as error:
        raise InvalidValueError(f"searchable: {error}") from error
    except Exception as error:
        raise InvalidValueError(
            f"searchable: example_input: the model fails on it: {first_line(error)}; give one "
            "input of the model, a tuple of several, or a mapping of keywords"
        ) from error


def _matches(name: str, pattern: str) -> bool:
    ours, theirs = name.split("."), pattern.split(".")
    return len(ours) == len(theirs) and all(map(fnmatch.fnmatchcase, ours, theirs))


def _makers(
    model: nn.Module, passes: Passes, keep: Keep
) -> dict[str, Callable[[str, list[int | float]], Change]]:
    follower = Follower(model, passes)

    def width(name: str, options: list[int | float]) -> Change:
        return Width.of(model, follower, name, options, keep)

    def ratio(name: str, options: list[int | float]) -> Change:
        layer, inside = hidden_layer(model, name)
        numbers = [round(option * inside) for option in options]
        return Width.of(model, follower, layer, options, keep, numbers, f"{name}.mlp_ratio")

    def heads(name: str, options: list[int | float]) -> Change:
        ways = [Heads.of(model, name, options, keep, by_head=known) for known in (False, True)]
        reasons: list[str] = []
        for change in ways if ways[0].parts != ways[1].parts else ways[:1]:
            if not (reason := why(change)):
                return change
            reasons.append(reason)
        if not ways[0].parts:
            raise NotAdaptableError(reasons[0])
        try:  # Some reshape to the width of all heads.
            change = ways[0].regrouped()
            reason = why(change)
        except NotAdaptableError as error:
            reason = str(error)
        if not reason:
            return change
        raise NotAdaptableError(f"heads can't be taken away: {reasons[0]}; nor grouped: {reason}")

    def why(change: Heads) -> str:
        """Why heads can't be changed so; empty where they can."""
        problems = Sliced(model, [change]).problems(passes)
        return "; ".join(problem.removeprefix(f"{change.name}: ") for problem in problems)

    return {
        "out_channels": width,
        "out_features": width,
        "mlp_ratio": ratio,
        "kernel_size": lambda name, options: Kernel.of(model, name, options),
        "num_heads": heads,
        "depth": lambda name, options: Depth.of(model, name, options),
    }
