"""Names that are loaded when they are first used."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import pytest

from optiproxy import registry as module
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


def test_an_entry_may_carry_arguments() -> None:
    entries = {"read": "json:loads({})", "joined": "operator:concat(a, b)", "plain": "json:dumps"}
    registry = Registry("thing", entries, "no.such.group")
    assert registry.get("read")() == {}
    assert registry.get("joined")() == "ab"
    assert registry.get("plain") is json.dumps


def test_a_package_that_takes_a_name_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = [
        EntryPoint("mine", "json:loads", "some.group"),
        EntryPoint("new", "json:load", "some.group"),
    ]
    monkeypatch.setattr(module, "entry_points", lambda group: theirs)
    registry = Registry("method", {"mine": "json:dumps", "other": "json:dump"}, "some.group")
    assert registry.names() == ["mine", "other", "new"]
    assert registry.get("other").__name__ == "dump"
    assert registry.get("new").__name__ == "load"
    for _ in range(2):
        with pytest.raises(InvalidValueError, match="'mine' is registered twice: json:dumps and"):
            registry.get("mine")
