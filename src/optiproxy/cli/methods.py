"""``optiproxy methods`` and ``optiproxy proxies``: what there is, with settings and references."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

_WIDTH = 96


def methods() -> None:
    """Lists the search methods, with their settings and references.

    The settings are given in brackets: --method 'optiproxy[n_init=5,acquisition=mean+optimism]'.
    Your own method is --method path/to/mine.py:Method, a subclass of optiproxy.search.Optimizer.
    """
    from optiproxy.methods import METHODS
    from optiproxy.search.base import Optimizer
    from optiproxy.search.settings import settings_of

    for name in METHODS.names():
        make = METHODS.get(name)
        size = getattr(make, "batch_size", Optimizer.batch_size)
        sizes = "varies" if isinstance(size, property) else str(size)
        if size is Optimizer.batch_size:
            sizes = "1"
        facts = [f"proposes at once: {sizes}"]
        if proxy := getattr(make, "default_proxy", None):
            facts.append(f"proxy: {proxy} (see optiproxy proxies)")
        settings = settings_of(make)
        if settings:
            facts.append(f"settings: {', '.join(map(_setting, settings.items()))}")
        _print(name, make, facts)


def proxies() -> None:
    """Lists the models of --proxy, with their references."""
    from optiproxy import proxies
    from optiproxy.encodings import ENCODINGS

    for name in proxies.PROXIES.names():
        facts = []
        if name in proxies.FAMILIES:
            facts = [f"of one encoding alone: {name}:{{{', '.join(ENCODINGS.names())}}}"]
        _print(name, proxies.PROXIES.get(name), facts)


def _setting(item: tuple[str, Any]) -> str:
    name, default = item
    if default is inspect.Parameter.empty or default == ():
        return name
    return f"{name}={'+'.join(default) if isinstance(default, tuple | list) else default}"


def _print(name: str, made: Callable[..., Any], facts: Iterable[str]) -> None:
    made = made.func if isinstance(made, partial) else made
    summary = (inspect.getdoc(made) or "").partition("\n\n")[0]
    print(f"{name}  {_line(summary)}")
    for line in (*facts, *_references(made)):
        print(textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="    ",
                            break_long_words=False, break_on_hyphens=False))  # fmt: skip
    print()


def _references(made: Any) -> list[str]:
    """The paragraphs of its documentation, or else of its module's, that cite a publication."""
    for text in (inspect.getdoc(made), inspect.getdoc(sys.modules.get(made.__module__))):
        found = [_line(part) for part in (text or "").split("\n\n") if re.search("https?://", part)]
        if found:
            return found
    return []


def _line(text: str) -> str:
    return " ".join(text.split()).replace("``", "").replace("`", "")
