"""How ``--help`` writes descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts.help import DefaultFormatter

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions


class Flowing(DefaultFormatter):
    """Descriptions flow to the width of the terminal: a line's end in a docstring is a space."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        from rich.text import Text

        for entry in panel.entries:
            written = getattr(entry.description, "primary_renderable", None)
            if isinstance(written, Text):
                entry.description.primary_renderable = Text(" ".join(written.plain.split()))
        super().__call__(console, options, panel)
