"""What the tests of figures share."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures as they are saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *args: Any, **keywords: Any) -> None:
        figures.append(self)
        save(self, *args, **keywords)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures
