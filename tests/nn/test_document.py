"""What docs/your-model.md claims: half of the lines of a space that is written by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "your-model.md"


@pytest.mark.parametrize("title", ["The cell of", "Stages of inverted", "Blocks of a GPT"])
def test_a_function_takes_at_most_half_of_the_lines(title: str) -> None:
    section = PAGE.read_text("utf-8").partition(f"### {title}")[2]
    by_hand, function, count = re.findall(r"^```python\n(.*?)^```$", section, re.M | re.S)[:3]
    assert "Conditional" in by_hand
    assert function.startswith("def network(choose):")
    assert count.startswith("assert op.space_of(network).count == space.count == ")
    lines = [sum(bool(line.strip()) for line in text.splitlines()) for text in (by_hand, function)]
    assert 2 * lines[1] <= lines[0], lines
