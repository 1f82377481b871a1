"""Names that are loaded when they are first used."""

from __future__ import annotations

import pytest

from optiproxy.errors import InvalidValueError
from optiproxy.registry import Registry


def test_a_name_whose_package_is_missing_says_what_to_install() -> None:
    registry = Registry(
        "method",
        {"plain": "json:dumps"},
        "no.such.group",
        optional={
            "there": ("json:loads", "json"),
            "gone": ("not_installed_3141:It", "not_installed_3141"),
        },
    )
    assert registry.names() == ["plain", "there"]
    assert registry.get("there").__name__ == "loads"
    with pytest.raises(InvalidValueError, match=r"pip install 'optiproxy\[not_installed_3141\]'"):
        registry.get("gone")
    with pytest.raises(InvalidValueError, match="did you mean 'plain'"):
        registry.get("plaid")
