"""Ask and tell for agents, by the Model Context Protocol."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from optiproxy import __version__
from optiproxy.cli import _programs
from optiproxy.cli._quiet_stdout import quiet_stdout
from optiproxy.cli._trust import trusted_study
from optiproxy.errors import OptiProxyError
from optiproxy.study.asked import Answer
from optiproxy.tasks import load
from optiproxy.tasks.definition import TaskDefinition

_P = ParamSpec("_P")
_R = TypeVar("_R")

_INSTRUCTIONS = """\
Searches for the best architecture (or any other combination of choices) with few evaluations.
Call new once with the space and the objectives. Then repeat: ask for queries, evaluate each
architecture yourself, tell the metrics or why it failed. Renew what takes longer than its lease,
release what you give up. status has the best so far; the search is over when done is true."""


def server(storage: str | None) -> MCPServer[Any]:
    """The server, whose tools are the commands of the same names."""
    made: MCPServer[Any] = MCPServer(
        "optiproxy",
        instructions=_INSTRUCTIONS,
        version=__version__,
        log_level="WARNING",
        lifespan=_quiet,
    )
    tool = made.tool()

    # An agent may define a space, but not name a file of Python to be run.
    @tool
    @_reported
    def new(
        name: str,
        task: TaskDefinition,
        budget: int = 100,
        method: str = "optiproxy",
        seed: int = 0,
    ) -> dict[str, Any]:
        """Begins a search, or opens it and raises its budget.

        budget: how many architectures are evaluated in all, failed ones included.
        method: optiproxy, or a baseline such as random.
        """
        text = json.dumps({"name": name, **task.model_dump(exclude_unset=True)})
        study = _programs.begun(name, load(text), storage, budget, method=method, seed=seed)
        return _programs.status(study)

    @tool
    @_reported
    def ask(name: str, n: int = 1, lease: str = "1h") -> dict[str, Any]:
        """Takes up to n queries, architectures to be evaluated by you until the lease ends.

        Without queries: done says whether the search is over, or others hold the last ones.
        lease: how long they are yours, such as 90s, 5m or 2h.
        """
        study = trusted_study(name, storage)
        return _programs.asked(study, study.ask(n, lease=lease))

    @tool
    @_reported
    def tell(name: str, answers: list[Answer]) -> dict[str, Any]:
        """Stores the answers to queries: metrics, or why one failed. Each is answered once."""
        study = trusted_study(name, storage)
        ids = study.tell([answer.model_dump(exclude_unset=True) for answer in answers])
        return _programs.told(study, ids)

    @tool
    @_reported
    def renew(name: str, ids: list[int], lease: str = "1h") -> dict[str, Any]:
        """Renews the leases of queries that you still evaluate: they end `lease` from now."""
        study = trusted_study(name, storage)
        return _programs.asked(study, study.renew(ids, lease=lease))

    @tool
    @_reported
    def release(name: str, ids: list[int]) -> dict[str, Any]:
        """Gives back queries that you will not evaluate, for others."""
        study = trusted_study(name, storage)
        study.release(ids)
        return _programs.status(study)

    @tool
    @_reported
    def status(name: str) -> dict[str, Any]:
        """How far a search is, its space, the best so far, and the queries that programs hold."""
        return _programs.status(trusted_study(name, storage))

    return made


@asynccontextmanager
async def _quiet(_: MCPServer[Any]) -> AsyncIterator[None]:
    """While it serves, from a stream of its own, what a task's file prints is no message."""
    with quiet_stdout():
        yield


def _reported(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The same function, whose errors an agent can read."""

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except (OptiProxyError, OSError) as error:
            raise ToolError(str(error)) from None

    return call
