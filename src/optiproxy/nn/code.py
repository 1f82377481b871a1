"""A network written out as Python code that needs torch alone."""

from __future__ import annotations

import builtins
import contextlib
import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from optiproxy._copied import copied
from optiproxy.errors import OptiProxyError

# How far outputs of the written network may be from those of the original.
TOLERANCE = 1e-5
# What generated code calls without a module's name.
_IMPORTS = {*dir(builtins), "torch", "device", "inf", "nan", "operator", "math"}

_FILE = '''"""{title}

    from {module} import load
    model = load()  # with the weights in {weights}, beside this file

It needs torch alone, and computes as in evaluation mode.
"""

import math
import operator
from math import inf, nan
from pathlib import Path

import torch
from torch import device, nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
{layers}

{forward}

def load(weights=Path(__file__).with_name("{weights}")):
    """The network with its weights, in evaluation mode."""
    network = Network()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval()
'''


def as_python(
    model: nn.Module, inputs: tuple[Any, ...], *, module: str, title: str = "A network."
) -> tuple[str, dict[str, Tensor]]:
    """The code of a network in evaluation mode, and the weights that belong to it.

    Where torch.fx can trace the network and its layers are those of `torch.nn`, the code has these
    layers. Otherwise it has the single operations that torch.export finds.

    Args:
        model: A plain module on the CPU; it is left as it was: copies of it are run.
        inputs: Its arguments, on which the code is compared with it.
        module: The file's name without ``.py``; the weights' is the same with ``.pt``.
        title: The first line of the file.

    Returns:
        The text of a file, and a state dict.

    Raises:
        OptiProxyError: It can't be copied, or neither way gives the outputs of the network.
    """
    model = copied(model).eval()
    cases = _cases(model, inputs)
    problems = []
    for written in (_by_layers, _by_operations):
        try:
            # A copy for each: what a trace runs may stay in what the network keeps.
            layers, forward, weights = written(copied(model), inputs)
            text = _FILE.format(
                title=title, module=module, weights=f"{module}.pt", layers=layers, forward=forward
            )
            _compare(text, weights, cases)
            return text, weights
        except Exception as error:
            problems.append(f"{type(error).__name__}: {error}".splitlines()[0])
    raise OptiProxyError(
        f"export: the network can't be written as code: by its layers, {problems[0]}; "
        f"by its operations, {problems[1]}"
    )


def _cases(model: nn.Module, inputs: tuple[Any, ...]) -> list[tuple[tuple[Any, ...], Any]]:
    """Inputs with the network's outputs: as they are and, where it takes them, as two batches."""
    twice = tuple(torch.cat([x, x]) if isinstance(x, Tensor) and x.dim() else x for x in inputs)
    with torch.no_grad():
        cases = [(inputs, model(*inputs))]
        with contextlib.suppress(Exception):
            cases.append((twice, model(*twice)))
    return cases


def _compare(
    text: str, weights: dict[str, Tensor], cases: list[tuple[tuple[Any, ...], Any]]
) -> None:
    """Runs the code. Raises AssertionError where its outputs are others."""
    space: dict[str, Any] = {"__name__": "written", "__file__": "written.py"}
    exec(compile(text, "written.py", "exec"), space)
    network = space["Network"]()
    network.load_state_dict(weights)
    network.eval()
    for inputs, expected in cases:
        with torch.no_grad():
            found = network(*inputs)
        torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=TOLERANCE)


def _by_layers(model: nn.Module, inputs: tuple[Any, ...]) -> tuple[str, str, dict[str, Tensor]]:
    return _written(fx.symbolic_trace(model))


def _by_operations(model: nn.Module, inputs: tuple[Any, ...]) -> tuple[str, str, dict[str, Tensor]]:
    batch = torch.export.Dim("batch", min=1)
    shapes = tuple({0: batch} if isinstance(x, Tensor) and x.dim() else None for x in inputs)
    # With two examples: of one, torch concludes that it is always one.
    several = tuple(torch.cat([x, x]) if s else x for x, s in zip(inputs, shapes, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(model, several, dynamic_shapes=shapes)
        except Exception:  # A network of a fixed batch.
            program = torch.export.export(model, inputs)
        traced: Any = program.module()
    for node in list(traced.graph.nodes):
        if node.op == "call_module" and node.target == "_guards_fn":
            traced.graph.erase_node(node)
        if node.op == "output" and len(node.args[0]) == 1:
            node.args = (node.args[0][0],)
    traced.graph._codegen = fx.graph.CodeGen()
    return _written(traced)


def _written(traced: Any) -> tuple[str, str, dict[str, Tensor]]:
    """The lines of ``__init__``, the method ``forward``, and the weights."""
    for node in traced.graph.nodes:
        node.type = None  # Annotations, of types that the file does not import.
    code = traced.graph.python_code("self")
    used = set(re.findall(r"\w+", code.src))
    unknown = {name for name in code.globals if name in used - _IMPORTS}
    if unknown:
        raise ValueError(f"it calls {', '.join(sorted(unknown))}")
    weights: dict[str, Tensor] = {}
    made: set[str] = set()
    lines: list[str] = []
    for node in traced.graph.nodes:
        if node.op not in ("call_module", "get_attr") or str(node.target) in made:
            continue
        target = str(node.target)
        made.add(target)
        *path, name = target.split(".")
        for depth in range(1, len(path) + 1):
            place = ".".join(path[:depth])
            if place not in made:
                made.add(place)
                lines.append(_assigned(path[: depth - 1], path[depth - 1], "nn.Module()"))
        if node.op == "call_module":
            layer = traced.get_submodule(target)
            lines.append(_assigned(path, name, constructor(layer)))
            weights |= {f"{target}.{key}": value for key, value in layer.state_dict().items()}
        else:
            holder = traced.get_submodule(".".join(path))
            tensor = getattr(holder, name)
            lines.append(_tensor(path, name, tensor))
            weights[target] = tensor.detach()
    body = "\n".join(f"        {line}" for line in lines)
    source = code.src.strip().replace("\n    \n", "\n")
    forward = "\n".join(f"    {line}".rstrip() for line in source.splitlines())
    return body, forward, weights


def _assigned(path: list[str], name: str, value: str) -> str:
    """The line that gives a module a part, called like an attribute or not."""
    if name.isidentifier():
        return f"{_attribute(path)}.{name} = {value}"
    return f"{_attribute(path)}.add_module({name!r}, {value})"


def _tensor(path: list[str], name: str, tensor: Tensor) -> str:
    empty = f"torch.empty({tuple(tensor.shape)}, dtype={tensor.dtype})"
    if isinstance(tensor, nn.Parameter):
        return f"{_attribute(path)}.register_parameter({name!r}, nn.Parameter({empty}))"
    return f"{_attribute(path)}.register_buffer({name!r}, {empty})"


def _attribute(path: list[str]) -> str:
    text = "self"
    for name in path:
        text = f"{text}.{name}" if name.isidentifier() else f"getattr({text}, {name!r})"
    return text


def constructor(layer: nn.Module) -> str:
    """The expression that makes a layer of `torch.nn` with the same settings.

    Raises:
        ValueError: There is none.
    """
    kind = type(layer)
    if getattr(nn, kind.__name__, None) is not kind:
        raise ValueError(f"{kind.__name__} is no layer of torch.nn")
    for write in (_printed, _from_attributes):
        for text in write(layer):
            try:
                with torch.random.fork_rng(devices=[]):
                    made = eval(text, {"nn": nn, "torch": torch, "inf": float("inf")})
            except Exception:
                continue
            if _settings(made) == _settings(layer):
                return text
    raise ValueError(f"the settings of {kind.__name__} are not known")


def _printed(layer: nn.Module) -> Iterator[str]:
    """As it prints itself, which for most layers is a call."""
    yield f"nn.{layer!r}"


def _from_attributes(layer: nn.Module) -> Iterator[str]:
    """Arguments of the constructor that are attributes of the layer."""
    given: dict[str, Any] = {}
    constructor: Callable[..., Any] = type(layer).__init__
    for name, parameter in inspect.signature(constructor).parameters.items():
        value = getattr(layer, name, None)
        if name == "bias":
            value = layer._parameters.get("bias", layer._parameters.get("in_proj_bias")) is not None
        if value is not parameter.default and isinstance(value, bool | int | float | str | tuple):
            given[name] = value
    arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
    yield f"nn.{type(layer).__name__}({arguments})"


def _settings(layer: nn.Module) -> Any:
    """What must be equal of two layers of the same settings."""
    plain = (bool, int, float, str, tuple, list, type(None))
    own = {k: repr(v) for k, v in vars(layer).items() if isinstance(v, plain) and k[0] != "_"}
    own.pop("training")
    shapes = {key: (value.shape, value.dtype) for key, value in layer.state_dict().items()}
    return own, shapes, [(name, _settings(child)) for name, child in layer.named_children()]
