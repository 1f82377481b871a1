"""A network written out as Python code that needs torch alone."""

from __future__ import annotations

import builtins
import contextlib
import inspect
import operator
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from optiproxy._copied import copied
from optiproxy._exported import exported
from optiproxy.errors import OptiProxyError, first_line

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
    layers. Otherwise it has the single operations that torch.export finds; where those depend on
    the size of the batch, as of a loop over it, the code refuses inputs of other shapes.

    Args:
        model: A plain module on the CPU; it is left as it was: copies of it are run.
        inputs: Its arguments, on which the code is compared with it.
        module: The file's name without ``.py``; the weights' is the same with ``.pt``.
        title: The first line of the file.

    Returns:
        The text of a file, and a state dict.

    Raises:
        OptiProxyError: It can't be copied, or no way gives the outputs of the network.
    """
    model = copied(model).eval()
    cases = _cases(model, inputs)
    problems = []
    ways = (
        ("by its layers", _by_layers, cases),
        ("by its operations", _by_operations, cases),
        ("by its operations of one size", _by_operations_of_one_size, cases[:1]),
    )
    for way, written, compared in ways:
        try:
            # A copy for each: what a trace runs may stay in what the network keeps.
            layers, forward, weights = written(copied(model), inputs)
            text = _FILE.format(
                title=title, module=module, weights=f"{module}.pt", layers=layers, forward=forward
            )
            _compare(text, weights, compared)
            return text, weights
        except Exception as error:
            problems.append(f"{way}, {first_line(error)}")
    raise OptiProxyError(f"export: the network can't be written as code: {'; '.join(problems)}")


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
    return _written(_graph(exported(model, inputs)))


def _by_operations_of_one_size(
    model: nn.Module, inputs: tuple[Any, ...]
) -> tuple[str, str, dict[str, Tensor]]:
    """With checks that the inputs have these sizes: a loop over the batch is written out."""
    traced = _graph(exported(model, inputs))
    graph = traced.graph
    given = [node for node in graph.nodes if node.op == "placeholder"]
    with graph.inserting_before(given[-1].next):
        for node, x in zip(given, inputs, strict=True):
            if isinstance(x, Tensor):
                shape = tuple(x.shape)
                found = graph.call_function(getattr, (node, "shape"))
                same = graph.call_function(operator.eq, (found, shape))
                graph.call_function(torch._assert, (same, f"{node.name}: give the shape {shape}"))
    return _written(traced)


def _graph(program: torch.export.ExportedProgram) -> Any:
    """A module of its operations, which returns what the network returns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced: Any = program.module()
    for node in list(traced.graph.nodes):
        if node.op == "call_module" and node.target == "_guards_fn":
            traced.graph.erase_node(node)
        if node.op == "output":
            structure = program.call_spec.out_spec
            node.args = (pytree.tree_unflatten(list(node.args[0]), structure),)
    traced.graph._codegen = fx.graph.CodeGen()
    return traced


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
    first: dict[int, str] = {}  # A parameter's id → where it was made.
    lines: list[str] = []
    ties: list[str] = []
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
            own = dict(layer.named_parameters(target, remove_duplicate=False))
        else:
            owner = traced.get_submodule(".".join(path))
            tensor = getattr(owner, name)
            lines.append(_tensor(path, name, tensor))
            weights[target] = tensor.detach()
            own = {target: tensor} if isinstance(tensor, nn.Parameter) else {}
        for key, parameter in own.items():
            if (before := first.setdefault(id(parameter), key)) != key:
                *holder, last = key.split(".")
                same = _attribute(before.split("."))
                ties.append(f"{_attribute(holder)}.register_parameter({last!r}, {same})")
    body = "\n".join(f"        {line}" for line in lines + ties)
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
