"""Which accelerators the workers of a search use."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from optiproxy.errors import InvalidValueError, invalid, whole_number

# By which CUDA and ROCm learn which devices a process sees, before they are loaded.
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")

_REMEDY = "give auto, how many (2), or which ones (0,1,3; one alone with a comma: 3,)"


def environment(number: int, device: str) -> dict[str, str]:
    """The variables of a worker: its number, and its device if it is given one."""
    variables = {"OPTIPROXY_WORKER": str(number)}
    if device:
        variables["OPTIPROXY_DEVICE"] = device
        variables.update(dict.fromkeys(_VISIBLE, device))
    return variables


def _count() -> int:
    """How many devices torch sees."""
    import torch

    return torch.cuda.device_count()


def chosen(
    gpus: str | int, count: Callable[[], int] = _count, env: Mapping[str, str] = os.environ
) -> list[str]:
    """The devices that a user asked for, as ``CUDA_VISIBLE_DEVICES`` names them.

    Args:
        gpus: ``"auto"`` for all that are visible, how many of them, or a list of numbers or names
            with commas between.
        count: How many devices are visible.
        env: The environment; where it names the visible devices, the choice is among these.

    Raises:
        InvalidValueError: It is none of these, or there are not so many.
    """
    text = str(gpus).strip()
    if "," in text:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if not names or len(set(names)) < len(names):
            raise invalid("gpus", gpus, _REMEDY)
        allowed = _named(env)
        if allowed is not None and not set(names) <= set(allowed):
            raise InvalidValueError(
                f"gpus: got {gpus!r}, but {_VISIBLE[0]} allows {', '.join(allowed) or 'none'}"
            )
        return names
    if text != "auto" and not text.isdigit():
        raise invalid("gpus", gpus, _REMEDY)
    named = _named(env)
    visible = count()
    found = (named if named is not None else [str(number) for number in range(visible)])[:visible]
    if text == "auto":
        if not found:
            raise invalid("gpus", gpus, "torch sees no GPU here; leave it out")
        return found
    wanted = whole_number("gpus", int(text))
    if wanted > len(found):
        raise invalid("gpus", gpus, f"torch sees {len(found)} here")
    return found[:wanted]


def _named(env: Mapping[str, str]) -> list[str] | None:
    """The devices that the environment allows; None where it does not say."""
    for variable in _VISIBLE:
        if variable in env:
            return [name.strip() for name in env[variable].split(",") if name.strip()]
    return None
