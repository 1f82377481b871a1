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
