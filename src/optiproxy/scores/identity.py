"""What scores belong to: a network by what it computes, and the code that made it."""

from __future__ import annotations

import functools
import hashlib
import io
import pickle
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from optiproxy.scores.base import Batch, fixed_randomness
from optiproxy.spaces import Space

_OURS = Path(__file__).parents[1]
_INSTALLED = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")}


def network_digest(model: nn.Module) -> str | None:
    """The same for networks of the same modules, attributes and weights; None where that can't be
    seen, as of one with a function that is defined inside another.
    """
    content = io.BytesIO()
    try:
        _Content(content).dump(model)
    except Exception:  # Whatever an attribute raises that can't be written.
        return None
    return hashlib.sha256(content.getbuffer()).hexdigest()


class _Content(pickle.Pickler):
    """Writes an object, with tensors and sets in a form that is always the same; never read."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=4)
        self._tensors: dict[int, int] = {}

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, set | frozenset):
            return type(value).__name__, sorted(map(repr, value))
        if not isinstance(value, Tensor):
            return None
        if id(value) in self._tensors:  # Tied weights.
            return "tied", self._tensors[id(value)]
        self._tensors[id(value)] = len(self._tensors)
        plain = value.detach().cpu().contiguous()
        hashed = hashlib.sha256(plain.reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
        kind = type(value).__name__, str(value.dtype), tuple(value.shape), value.requires_grad
        return *kind, hashed


def scores_version(
    space: Space, build: Callable[..., nn.Module], example: Batch, seed: int
) -> str | None:
    """What scores of a space depend on, hashed: its networks, the user's code, OptiProxy, torch.

    Returns:
        None where the code has no file, as in a shell, or a network can't be built or read.
    """
    (arch,) = space.sample(1, seed=0)
    try:
        files = sorted(set(_sources(build)))
        with fixed_randomness(seed), torch.inference_mode(False), torch.device("cpu"):
            network = network_digest(build(arch))
    except Exception:  # The user's own; a search meets it again where it matters.
        return None
    inputs = network_digest(_Inputs(example))
    if network is None or inputs is None:
        return None
    parts = [space.fingerprint, network, inputs, seed, torch.__version__, _own_code()]
    parts += [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class _Inputs(nn.Module):
    """Inputs as a module, which `network_digest` reads."""

    def __init__(self, example: Sequence[Tensor]) -> None:
        super().__init__()
        self.example = list(example)


@functools.cache
def _own_code() -> str:
    content = hashlib.sha256()
    for file in sorted(_OURS.rglob("*.py")):
        content.update(file.read_bytes())
    return content.hexdigest()


def _sources(thing: Any) -> Iterator[Path]:
    """The user's files with the code of an object, and with what these files import.

    Raises:
        OSError: Some of the code is in no file.
    """
    waiting: list[Any] = [thing]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, MethodType):
            waiting += [value.__func__, value.__self__]
        elif isinstance(value, functools.partial):
            waiting += [value.func, *value.args, *value.keywords.values()]
        elif (file := _file_of(value)) is None:
            continue
        elif file.is_relative_to(_OURS):
            if not isinstance(value, _CODE):  # An object of ours has the user's.
                waiting += list(getattr(value, "__dict__", {}).values())
        elif not _is_installed(file):
            yield file
            module = value if isinstance(value, ModuleType) else _module_of(value)
            waiting += [v for v in vars(module).values() if isinstance(v, _CODE)] if module else []


_CODE = (FunctionType, type, ModuleType)


def _module_of(value: Any) -> ModuleType | None:
    name = value.__module__ if isinstance(value, _CODE) else type(value).__module__
    return sys.modules.get(name)


def _file_of(value: Any) -> Path | None:
    """The file of an object's code; None for what is built in."""
    if isinstance(value, ModuleType):
        place = getattr(value, "__file__", None)
        return Path(place).resolve() if place else None
    if isinstance(value, BuiltinFunctionType):
        return None
    module = _module_of(value)
    place = getattr(module, "__file__", None)
    file = Path(place).resolve() if place else None
    if isinstance(value, FunctionType):
        code = Path(value.__code__.co_filename)
        if code.is_file():
            return code.resolve()
        if file is None or not _is_installed(file):  # Libraries make some as they are imported.
            raise OSError(f"the code of {value.__qualname__} is in no file")
    if file is None and getattr(module, "__name__", "") == "__main__":
        raise OSError("a class of a shell")
    return file


def _is_installed(file: Path) -> bool:
    return any(file.is_relative_to(folder) for folder in (_OURS, *_INSTALLED))
