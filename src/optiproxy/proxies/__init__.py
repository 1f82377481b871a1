"""Models of the metrics; each proxy is one file here, and `base.Proxy` is their interface."""

from __future__ import annotations

import os
import warnings
from functools import cache
from typing import TYPE_CHECKING, cast

from optiproxy import references
from optiproxy._lazy import lazy
from optiproxy.encodings import ENCODINGS, RENAMED
from optiproxy.errors import invalid, unknown
from optiproxy.registry import Registry

if TYPE_CHECKING:
    from optiproxy.proxies.auto import Auto
    from optiproxy.proxies.base import Proxy
    from optiproxy.proxies.gcn import GCNEnsemble
    from optiproxy.proxies.gp import GaussianProcess
    from optiproxy.proxies.mlp import MLPEnsemble
    from optiproxy.proxies.transformer import TransformerEnsemble

PROXIES = Registry(
    "proxy",
    {
        "auto": "optiproxy.proxies.auto:Auto",
        "gp": "optiproxy.proxies.gp:GaussianProcess",
        "gcn": "optiproxy.proxies.gcn:GCNEnsemble",
        "mlp": "optiproxy.proxies.mlp:MLPEnsemble",
        "transformer": "optiproxy.proxies.transformer:TransformerEnsemble",
    },
    group="optiproxy.proxies",
)

#: Proxies with variants that read one encoding alone, as in ``gp:path``.
FAMILIES = ("gp", "mlp")


def get(name: str) -> type[Proxy]:
    """The proxy with that name: one of `PROXIES`, or ``FAMILY:ENCODING`` such as ``mlp:onehot``, or
    a class of the user's own, as ``my_module:Proxy`` or ``path/to/file.py:Proxy``.

    The earlier names ``gp-path``, ``mlp-living`` and so on still work, with a warning.

    Raises:
        InvalidValueError: There is no such proxy or encoding; the message names the most similar.
    """
    current = canonical(name)
    if current != name:
        _warn_renamed(name, current)
    family, colon, encoding = current.partition(":")
    if not colon:
        return cast("type[Proxy]", PROXIES.get(current))
    if is_own(name):
        return _own(name, os.getcwd())
    if current not in names():
        raise unknown("proxy", name, names())
    return _variant(family, encoding)


def is_own(name: str) -> bool:
    """Whether a name is that of a class of the user's own: a place and what is in it."""
    place, _, attribute = name.rpartition(":")
    return bool(place and attribute) and name.partition(":")[0] not in PROXIES.names()


def placed(name: str, begun: str | None) -> str:
    """A name by which `get` finds the same proxy from the current folder; `references.placed`."""
    return references.placed(name, begun) if is_own(name) else name


def names() -> list[str]:
    """All names that `get` knows, but for the earlier ones."""
    variants = [f"{family}:{name}" for family in FAMILIES for name in ENCODINGS.names()]
    return [*PROXIES.names(), *variants]


def canonical(name: str) -> str:
    """Today's name of a proxy; a name that is not an earlier one comes back unchanged."""
    family, dash, encoding = name.partition("-") if isinstance(name, str) else ("", "", "")
    encoding = RENAMED.get(encoding, encoding)
    if dash and family in FAMILIES and encoding in ENCODINGS.names():
        return f"{family}:{encoding}"
    return name


@cache  # A file is run once.
def _own(name: str, folder: str) -> type[Proxy]:
    from optiproxy.proxies.base import Proxy

    found = references.find("proxy", name, folder, Proxy)
    if not isinstance(found, type) or not issubclass(found, Proxy):
        raise invalid("proxy", name, "name a subclass of optiproxy.proxies.Proxy")
    return found


@cache
def _variant(family: str, encoding: str) -> type[Proxy]:
    """A subclass of the family's proxy that reads the encoding alone."""
    base = PROXIES.get(family)
    return type(f"{base.__name__}_{encoding}", (base,), {"encoding": encoding})


@cache  # one warning for a name in a process
def _warn_renamed(name: str, current: str) -> None:
    warnings.warn(f"proxy {name!r} is now called {current!r}", FutureWarning, stacklevel=4)


__all__ = [
    "PROXIES", "Auto", "GCNEnsemble", "GaussianProcess", "MLPEnsemble", "Proxy",
    "TransformerEnsemble", "canonical", "get", "is_own", "names", "placed",
]  # fmt: skip

__getattr__, __dir__ = lazy(
    __name__,
    {
        "optiproxy.proxies.auto": ("Auto",),
        "optiproxy.proxies.base": ("Proxy",),
        "optiproxy.proxies.gcn": ("GCNEnsemble",),
        "optiproxy.proxies.gp": ("GaussianProcess",),
        "optiproxy.proxies.mlp": ("MLPEnsemble",),
        "optiproxy.proxies.transformer": ("TransformerEnsemble",),
    },
)
