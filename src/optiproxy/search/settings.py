"""The settings of a method: the arguments that a user may choose, and their values from a text."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from optiproxy.errors import invalid, unknown

#: Instead of the task's own scores.
FEATURES = "features"

# Arguments that the search itself gives to a method.
_GIVEN = (
    "space", "objectives", "constraints", "seed", "proxy", "warm_start", FEATURES, "exact",
    "distinct",
)  # fmt: skip


def settings_of(make: Callable[..., Any]) -> dict[str, Any]:
    """Setting → default of a method's class or function; `inspect.Parameter.empty` for none.

    An argument whose default is None can't be read from a text: its type is unknown. But for
    `FEATURES` of a method that uses them: names of training-free scores.
    """
    every = inspect.signature(make).parameters.values()
    named = (p for p in every if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD))
    found = {p.name: p.default for p in named if p.name not in _GIVEN and p.default is not None}
    return {**found, FEATURES: ()} if getattr(make, "uses_features", False) else found


def read_settings(make: Callable[..., Any], name: str, text: str) -> dict[str, Any]:
    """The settings in ``n_init=5,acquisition=mean+optimism``, each of its default's type.

    Raises:
        InvalidValueError: The method has no such setting, or a value is of another type.
    """
    if not text.strip():
        return {}
    known, found = settings_of(make), {}
    for part in text.split(","):
        setting, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or setting in found:
            raise invalid(f"method {name}: settings", part, "give setting=value, each once")
        if setting not in known:
            raise unknown(f"method {name}: setting", setting, known)
        found[setting] = _read(f"method {name}: {setting}", value, known[setting])
    return found


def _read(field: str, text: str, default: Any) -> Any:
    """A value of the type of `default`; a number where that says nothing and it reads as one."""
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise invalid(field, text, "give true or false")
        return text.lower() == "true"
    if isinstance(default, tuple | list):
        return tuple(piece.strip() for piece in text.split("+"))
    if isinstance(default, str):
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if isinstance(default, int | float):
        raise invalid(field, text, f"give a number, such as the default, {default}")
    return text
