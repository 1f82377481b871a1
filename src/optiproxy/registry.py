"""Names for things that are loaded when they are first used.

A registry maps a name to ``"module:attribute"``, or to ``"module:function(a, b)"`` for a function
with the texts ``"a"`` and ``"b"`` as its arguments. It is plain data, so that listing names (for
``--help``, for "did you mean") imports neither torch nor Optuna. A third party's package adds a
name through an entry point of the registry's group, for example ``optiproxy.proxies``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from optiproxy.errors import InvalidValueError, invalid, unknown


class Registry:
    """Name → object, resolved on first use.

    Args:
        kind: What is registered, as it is called in messages (``"proxy"``).
        entries: Our own, name → target.
        group: The entry-point group through which other packages add theirs.
        optional: Name → target and the package that it needs, which is an extra of that name. They
            are entries where the package is installed.
    """

    def __init__(
        self,
        kind: str,
        entries: dict[str, str],
        group: str,
        optional: Mapping[str, tuple[str, str]] = MappingProxyType({}),
    ) -> None:
        self.kind = kind
        self.group = group
        self._entries = dict(entries)
        self._missing: dict[str, str] = {}
        # Raised when the name is used: one package must not hide all other names.
        self._clashes: dict[str, InvalidValueError] = {}
        for name, (target, package) in optional.items():
            if find_spec(package) is not None:
                self._entries[name] = target
            else:
                self._missing[name] = package
        self._scanned = False

    def _all(self) -> dict[str, str]:
        if not self._scanned:
            self._scanned = True
            for point in entry_points(group=self.group):
                try:
                    self.register(point.name, point.value)
                except InvalidValueError as error:
                    self._clashes[point.name] = error
        return self._entries

    def register(self, name: str, target: str) -> None:
        """Adds a name. A name that is taken by another object is an error."""
        if self._entries.get(name, target) != target:
            raise InvalidValueError(
                f"{self.kind} {name!r} is registered twice: {self._entries[name]} and {target}; "
                "rename one of them"
            )
        self._entries[name] = target

    def names(self) -> list[str]:
        return list(self._all())

    def get(self, name: str) -> Any:
        """The object behind `name`; the error for an unknown name has the nearest ones.

        Raises:
            InvalidValueError: There is no such name, its package is not installed, or two packages
                register it for different objects.
        """
        try:
            target = self._all()[name]
            if name in self._clashes:
                raise self._clashes[name]
        except (KeyError, TypeError):
            if isinstance(name, str) and name in self._missing:
                package = self._missing[name]
                remedy = f"it needs {package}: pip install 'optiproxy[{package}]'"
                raise invalid(self.kind, name, remedy) from None
            raise unknown(self.kind, name, self.names()) from None
        module, _, called = target.partition(":")
        attribute, _, arguments = called.removesuffix(")").partition("(")
        try:
            found = getattr(importlib.import_module(module), attribute)
            return partial(found, *arguments.split(", ")) if arguments else found
        except (ImportError, AttributeError) as error:
            remedy = f"{target} can't be imported ({error}); mend or remove the package it is from"
            raise invalid(self.kind, name, remedy) from error
