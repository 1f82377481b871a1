"""How ``--help`` writes descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts.help import DefaultFormatter

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions


class Flowing(DefaultFormatter):
    """Descriptions flow to the width of the terminal: a line's end in a docstring is a space.

    ``{methods}``, ``{proxies}`` and ``{encodings}`` stand for the registered names.
    """

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        from rich.text import Text

        for entry in panel.entries:
            written = getattr(entry.description, "primary_renderable", None)
            if isinstance(written, Text):
                text = " ".join(written.plain.split())
                entry.description.primary_renderable = Text(_with_names(text))
        super().__call__(console, options, panel)


def _with_names(text: str) -> str:
    from optiproxy.encodings import ENCODINGS
    from optiproxy.methods import METHODS
    from optiproxy.proxies import PROXIES

    for registry, kind in ((METHODS, "methods"), (PROXIES, "proxies"), (ENCODINGS, "encodings")):
        text = text.replace(f"{{{kind}}}", ", ".join(registry.names()))
    return text
