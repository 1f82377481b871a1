"""``optiproxy mcp``, by the protocol's own client."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest

from optiproxy import tasks
from optiproxy.study import Study

mcp = pytest.importorskip("mcp", reason="needs the extra mcp")

TASK = {
    "space": {"kind": "cell", "nodes": 4, "operations": ["none", "skip", "conv"]},
    "objectives": {"accuracy": "max"},
    "constraints": {"latency_ms": "<= 3"},
}


def answer(query):
    convolutions = list(query["architecture"].values()).count("conv")
    return {"id": query["id"], "metrics": {"accuracy": 0.5, "latency_ms": float(convolutions)}}


async def _converse(script):
    """Runs a script, an async function of `call`, with a server in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = ["-m", "optiproxy.cli", "mcp", "--storage", "agents.journal"]
    parameters = mcp.StdioServerParameters(command=sys.executable, args=arguments, env=environment)
    async with mcp.Client(parameters) as client:

        async def call(tool, **given):
            result = await client.call_tool(tool, given)
            if result.is_error:
                return result.content[0].text
            return result.structured_content

        await script(client, call)


@pytest.mark.slow
def test_an_agent_searches(folder):
    async def script(client, call):
        tools = (await client.list_tools()).tools
        assert {t.name for t in tools} == {"new", "ask", "tell", "renew", "release", "status"}
        assert all(t.description for t in tools)
        begun = await call("new", name="edge", task=TASK, budget=4, method="random")
        assert (begun["budget"], begun["queries"], begun["done"]) == (4, 0, False)
        asked = await call("ask", name="edge", n=3)
        first, second, third = asked["queries"]
        told = await call("tell", name="edge", answers=[
            answer(first), {"id": second["id"], "failed": "it diverged", "kind": "nan"},
        ])  # fmt: skip
        assert told["told"] == [first["id"], second["id"]]
        again = await call("tell", name="edge", answers=[answer(first)])
        assert f"id {first['id']} was answered already" in again
        renewed = await call("renew", name="edge", ids=[third["id"]], lease="3h")
        assert renewed["queries"][0]["until"] > third["until"]
        held = await call("release", name="edge", ids=[third["id"]])
        assert held["asked"] == []
        for query in (await call("ask", name="edge", n=9))["queries"]:
            await call("tell", name="edge", answers=[answer(query)])
        found = await call("status", name="edge")
        assert found["done"]
        assert (found["queries"], found["failed"]) == (4, 1)
        assert found["best"]["metrics"]["latency_ms"] <= 3
        assert found["space"] == TASK["space"]

    asyncio.run(_converse(script))
    study = Study.load("edge", "agents.journal")
    assert [record.kind for record in study.queries].count("nan") == 1


@pytest.mark.slow
def test_agents_at_once_get_different_queries_and_mistakes_are_told(folder):
    async def script(client, call):
        assert "there is no file" in await call("status", name="edge")
        assert "kind" in await call("new", name="edge", task={**TASK, "space": {"kind": "tree"}})
        await call("new", name="edge", task=TASK, budget=12, method="random")
        answers = await asyncio.gather(*(call("ask", name="edge", n=2) for _ in range(4)))
        ids = [query["id"] for asked in answers for query in asked["queries"]]
        assert len(set(ids)) == len(ids) == 8
        said = await call("tell", name="edge", answers=[{"id": ids[0], "metrics": {}}])
        assert f"id {ids[0]} has no 'accuracy'" in said

    asyncio.run(_converse(script))


@pytest.mark.slow
def test_what_a_task_s_file_prints_is_no_message(folder):
    (folder / "loud.py").write_text("from mine import task\nprint('loud')\n")
    task = tasks.load("loud.py:task")
    Study(task, name="loud", method="random", storage="agents.journal").begin(3)
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}}
    hello["clientInfo"] = {"name": "test", "version": "1"}
    call = {"name": "status", "arguments": {"name": "loud"}}
    messages = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": call},
    ]
    lines = [json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in messages]
    command = [sys.executable, "-m", "optiproxy.cli", "mcp", "--storage", "agents.journal"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Python's own buffer would be written when the server has ended.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, text=True, env=buffered, **pipes) as server:
        server.stdin.write(lines[0])
        server.stdin.flush()
        answers = [server.stdout.readline()]
        server.stdin.writelines(lines[1:])
        server.stdin.flush()
        answers.append(server.stdout.readline())
        rest, printed = server.communicate()
    assert [json.loads(answer)["id"] for answer in answers] == [1, 2]
    assert '"task": "mine"' in json.loads(answers[1])["result"]["content"][0]["text"]
    assert rest == ""
    assert "loud" in printed
