"""``optiproxy watch``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optiproxy.study import Study

_NOTHING = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{name}</title>
<style>:root {{ color-scheme: light dark; }} body {{ font: 16px system-ui; margin: 3rem; }}</style>
<p>{name} has no result yet.</p></html>
"""


def watch(name: str, /, *, storage: str | None = None, port: int = 0) -> int:
    """Serves the report of a stored search in your browser, and refreshes it while it runs.

    The page is on this machine alone (127.0.0.1), until Ctrl-C.

    Args:
        name: The study's name.
        storage: Where the study is stored; by default ./NAME.journal.
        port: Where the page is served; by default any free port.
    """
    from optiproxy.cli._page_server import PageServer
    from optiproxy.cli._say import say
    from optiproxy.cli._trust import stored_study

    study = stored_study(name, storage)
    with PageServer(port, page_of(study)) as server:
        say(f"{server.url} shows {name}; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def page_of(study: Study) -> Callable[[], tuple[str, bool]]:
    """The study's report, made again when there are new results, and whether there will be."""
    import html

    made: tuple[object, str] = (None, _NOTHING.format(name=html.escape(study.name)))

    def page() -> tuple[str, bool]:
        nonlocal made
        queries = study.queries
        # Also a failed query that was retried, and one that was evaluated again, are news.
        state = [(record.metrics is None, len(record.repeats)) for record in queries]
        if queries and state != made[0]:
            made = state, study.html()
        # A sum of fractions of trainings may be a little less than the budget.
        return made[1], study.spent < study.budget - 1e-9 or not queries

    return page
