"""Proxies by name: variants on one encoding, and earlier names."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from optiproxy import proxies
from optiproxy.encodings import ENCODINGS
from optiproxy.errors import InvalidValueError
from optiproxy.proxies.gp import GaussianProcess
from optiproxy.proxies.mlp import MLPEnsemble
from optiproxy.spaces import Chain
from optiproxy.study import Study

SPACE = Chain({name: list("xyz") for name in "abcd"})


def test_a_variant_reads_one_encoding() -> None:
    for family, base in (("gp", GaussianProcess), ("mlp", MLPEnsemble)):
        for encoding in ENCODINGS.names():
            variant = proxies.get(f"{family}:{encoding}")
            assert issubclass(variant, base)
            assert variant.encoding == encoding
            assert variant is proxies.get(f"{family}:{encoding}")
        assert proxies.get(family) is base


@pytest.mark.parametrize(
    ("earlier", "current"),
    [("gp-path", "gp:path"), ("mlp-living", "mlp:active_path"), ("gp-onehot", "gp:onehot")],
)
def test_earlier_names_work_with_one_warning(earlier: str, current: str) -> None:
    proxies._warn_renamed.cache_clear()
    with pytest.warns(FutureWarning, match=f"'{earlier}' is now called '{current}'"):
        assert proxies.get(earlier) is proxies.get(current)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert proxies.get(earlier) is proxies.get(current)


def test_a_class_of_ones_own_is_a_proxy_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(
        "import torch\n"
        "import optiproxy as op\n"
        "class Mean(op.proxies.Proxy):\n"
        "    def fit(self, p, y):\n"
        "        self.y = y.mean(0)\n"
        "    def predict(self, p):\n"
        "        mean = self.y + 0 * p.sum((1, 2))[:, None]\n"
        "        return mean, torch.ones_like(mean)\n"
        "other = 3\n"
    )
    assert proxies.get("own.py:Mean") is proxies.get("own.py:Mean")
    evaluate, goal = (lambda arch: 1.0 * (arch["a"] == "z")), "y=max"
    study = Study("s", SPACE, evaluate, objectives=goal, proxy="own.py:Mean")
    study.run(12)
    assert study.proxy == "own.py:Mean"
    for name, told in (
        ("own.py:Men", "did you mean 'Mean'"),
        ("own.py:other", "name a subclass of optiproxy.proxies.Proxy"),
        ("nix:Mean", "no module of this name"),
    ):
        with pytest.raises(InvalidValueError, match=told):
            proxies.get(name)


@pytest.mark.parametrize("name", ["gp:pth", "gcn:path", "gp:", "mlp-pth", "gp:living"])
def test_a_wrong_name_is_an_error(name: str) -> None:
    with pytest.raises(InvalidValueError, match=r"proxy: got"):
        proxies.get(name)


@pytest.mark.parametrize("name", ["mlp-living", "mlp:active_path"])
def test_a_study_that_was_stored_with_an_earlier_name_goes_on(tmp_path: Path, name: str) -> None:
    journal = tmp_path / "runs.journal"

    def study(proxy: str) -> Study:
        return Study(
            "s", SPACE, lambda arch: float(list(arch.values()).count("z")), objectives="y=max",
            proxy=proxy, storage=str(journal), seed=0,
        )  # fmt: skip

    study("mlp:active_path").run(4)
    text = journal.read_text()
    assert '"mlp:active_path"' in text
    journal.write_text(text.replace('"mlp:active_path"', '"mlp-living"'))
    again = study(name)
    again.run(12)
    assert len(again.queries) == 12
    assert again.proxy == "mlp:active_path"
