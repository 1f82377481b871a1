"""``optiproxy tasks``: families, one family, one task."""

from __future__ import annotations

import re

from optiproxy import tasks
from optiproxy.cli.app import run


def test_every_task_is_in_the_listing_or_named_by_its_family(capsys):
    assert run(["tasks"]) == 0
    out = capsys.readouterr().out
    rows = tasks.catalogue()
    assert len(rows) > 100
    assert out.count("\n") < 260  # A few screens, not a line each.
    assert max(map(len, out.splitlines())) <= 100
    for row in rows:
        if "DATA-" in row.family:
            assert row.family in out
            assert row.name.rpartition("-")[2] in out
        else:
            assert row.name in out
    assert "DATA: cifar10, cifar100, imagenet16-120\n" in out
    for text in (
        "objectives and limits",
        "only reported",
        "also measured",
        "licence:",
        "arxiv.org",
    ):
        assert text in out


def test_a_family_is_listed_task_by_task(capsys):
    assert run(["tasks", "nasbench-mr"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^(nasbench-mr-\S+)  2,507 arch", out, re.M) == [
        row.name for row in tasks.catalogue() if row.family == "nasbench-mr"
    ]
    # A family's own name is not also the beginning of others.
    assert run(["tasks", "nb201"]) == 0
    assert len(re.findall(r"^nb201-", capsys.readouterr().out, re.M)) == 3


def test_a_task_a_pattern_and_a_beginning(capsys):
    assert run(["tasks", "nb301-cifar10"]) == 0
    assert capsys.readouterr().out.startswith("nb301-cifar10  1.1e+18 architectures; data: ")
    assert run(["tasks", "hw-nb201-*-raspi4"]) == 0
    assert len(re.findall(r"^hw-nb201-", capsys.readouterr().out, re.M)) == 3
    assert run(["tasks", "transnas"]) == 0
    assert len(re.findall(r"^transnas-", capsys.readouterr().out, re.M)) == 14


def test_an_unknown_name_is_told_with_the_nearest(capsys):
    assert run(["tasks", "nasbench-marco"]) == 2
    err = capsys.readouterr().err
    assert "did you mean 'nasbench-macro'" in err
    assert len(err) < 300
