"""``optiproxy watch``: the report on this machine, while the search runs."""

from __future__ import annotations

import signal
import threading
import urllib.error
import urllib.request

import pytest

import optiproxy as op
from optiproxy.cli._page_server import PageServer
from optiproxy.cli.watch import page_of
from optiproxy.errors import InvalidValueError
from optiproxy.study import Study


@pytest.fixture
def study(folder):
    return Study(op.tasks.load("mine.py:table"), method="random", storage="s.journal")


@pytest.fixture
def server(study):
    with PageServer(0, page_of(study)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return answer.read().decode(), answer.headers


def test_the_page_follows_the_search(study, server):
    text, headers = get(server.url)
    assert "table-random-0 has no result yet" in text
    assert headers["Refresh"]
    study.run(3)
    text, headers = get(server.url)
    assert 'id="q3"' in text
    assert headers["Refresh"] is None  # It has its budget.
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    other = Study.load(study.name, "s.journal")  # As another process would go on.
    other.run(5)
    text, _ = get(server.url)
    assert 'id="q5"' in text


NOISY = """
import optiproxy as op

space = op.spaces.Chain({"width": [1, 2, 3, 4, 5, 6, 7, 8]})
values = iter(range(1000))
task = op.Task(
    "noisy", space, lambda arch: float(next(values)), objectives="val=max", noise="repeat",
)
"""


def test_further_evaluations_of_a_query_are_news(folder):
    (folder / "noisy.py").write_text(NOISY)
    study = Study(op.tasks.load("noisy.py:task"), method="random", storage="s.journal")
    page = page_of(Study.load(study.name, "s.journal"))
    study.run(4)
    first, changes = page()
    assert not changes
    study.run(6, confirm=2)
    text, changes = page()
    assert text != first
    assert "Evaluated" in text
    assert not changes  # With two repeats there are four queries, and the budget is spent.


def test_nobody_else_reads_it(server):
    assert server.url.startswith("http://127.0.0.1:")
    for url, headers, code in (
        (server.url, {"Host": "evil.example"}, 403),
        (f"{server.url}mine.py", {}, 404),
        (f"{server.url}../mine.py", {}, 404),
    ):
        with pytest.raises(urllib.error.HTTPError) as raised:
            get(url, **headers)
        assert raised.value.code == code
    with pytest.raises(InvalidValueError, match=r"port: got \d+; give a free one"):
        PageServer(server.server_address[1], lambda: ("", False))


@pytest.mark.slow
def test_the_command_serves_until_it_is_stopped(study, start):
    study.run(2)
    process = start("watch", study.name, "--storage", "s.journal")
    line = process.stdout.readline()
    text, _ = get(line.split()[0])
    assert 'id="q2"' in text
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert process.stderr.read() == ""
