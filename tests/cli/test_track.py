"""``--track``: each query recorded with a tracker."""

from __future__ import annotations

import pytest

from optiproxy.cli.app import run


@pytest.mark.slow
def test_a_search_and_its_resume_are_tracked(folder, capfd):
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    arguments = ["--method", "random", "--track", "tensorboard:logs", "--name", "edge"]
    assert run(["search", "mine.py:task", "--budget", "2", *arguments]) == 0
    assert run(["resume", "edge", "--budget", "3", "--track", "tensorboard:logs"]) == 0
    queries = sorted(place.name for place in (folder / "logs" / "edge").iterdir() if place.is_dir())
    assert queries == ["query-0001", "query-0002", "query-0003"]


def test_an_unknown_tracker_ends_it_before_anything_is_made(refused, folder):
    said = refused("search", "mine.py:task", "--track", "tensorbord:logs")
    assert "tracker: got 'tensorbord'" in said
    assert not list(folder.glob("*.journal"))
