"""``optiproxy methods`` and ``optiproxy proxies``."""

from __future__ import annotations

import pytest

from optiproxy.cli.app import run
from optiproxy.methods import METHODS
from optiproxy.proxies import PROXIES


@pytest.mark.parametrize(("command", "registry"), [("methods", METHODS), ("proxies", PROXIES)])
def test_every_name_is_listed_with_its_reference(command, registry, capsys):
    assert run([command]) == 0
    parts = capsys.readouterr().out.strip().split("\n\n")
    assert [part.partition("  ")[0] for part in parts] == registry.names()
    ours = (f"{name}  " for name in registry.names() if _is_ours(registry.get(name)))
    assert all("http" in part for own in ours for part in parts if part.startswith(own))


def _is_ours(made):
    return getattr(made, "__module__", "optiproxy").startswith("optiproxy")


def test_settings_are_listed_as_they_are_given(capsys):
    run(["methods"])
    ours = capsys.readouterr().out.partition("\n\n")[0]
    assert "settings: n_init=10, acquisition=mean+improvement, climbs=mean, features\n" in ours
