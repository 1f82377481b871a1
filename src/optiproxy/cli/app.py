"""The commands by name, and how errors are reported. Imports neither torch nor Optuna."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CoercionError, Parameter, Token, convert
from cyclopts.exceptions import CycloptsError

import optiproxy
from optiproxy.cli import _trust
from optiproxy.cli._help import Flowing
from optiproxy.cli._say import say
from optiproxy.errors import InvalidValueError, OptiProxyError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

_START = """\
Neural architecture search with few queries. To start:

  optiproxy search mnist1d                a real search on this machine, a few minutes
  optiproxy watch mnist1d-optiproxy-0     its report in your browser, while it runs
  optiproxy init my-search                a starter for your own space and training

optiproxy tasks lists what else can be searched, optiproxy --help all commands.
"""

_EXAMPLES = """\
Examples:

  optiproxy tasks                                what can be searched
  optiproxy search mnist1d                       a real search, a few minutes
  optiproxy search nb201-cifar100 --budget 50    on a published table
  optiproxy init my-search                       a starter: your own space
  optiproxy search my_module:task --workers 2    your own space and training
  optiproxy resume mnist1d-optiproxy-0           continues where it stopped

Every command takes --help, and --debug for the traceback of an error. Those that read a stored
search take --trust, if it names a command or a file outside this folder (docs/trust.md).
"""

_SEARCH = """\
Examples:

  optiproxy search mnist1d
  optiproxy search nb201-cifar10 --budget 50 --seed 1 --json
  optiproxy search mnist1d --constraint 'latency_ms<=2' --workers 2
  optiproxy search mnist1d --objective val_accuracy=max --objective params=min
  optiproxy search mnist1d --measure onnx --constraint 'latency_ms<=0.015'
  optiproxy search mine.py:task --dask tcp://10.0.0.1:8786
  optiproxy search path/to/mine.py:task --method random --storage runs.journal

The same command again continues a stored search; see also: optiproxy resume --help.
"""

_RESUME = """\
Examples:

  optiproxy resume mnist1d-optiproxy-0
  optiproxy resume mnist1d-optiproxy-0 --budget 200 --workers 2
  optiproxy resume edge --storage sqlite:///runs.db
"""

_WORKER = """\
Examples:

  optiproxy search mine.py:task --storage /shared/runs.journal --name edge
  optiproxy worker edge --storage /shared/runs.journal        (on another machine)

A study that was made in a program has no task to load: run that program on each machine.
"""

_SHOW = """\
Examples:

  optiproxy show mnist1d-optiproxy-0
  optiproxy show mnist1d-optiproxy-0 --query 7     with its traceback if it failed
  optiproxy show edge --kind oom --storage runs.journal
"""

_RETRY = """\
Examples:

  optiproxy retry mnist1d-optiproxy-0 --query 7
  optiproxy retry edge --kind oom --storage runs.journal

Failed queries count in the budget. Retried ones are evaluated in their place, by
optiproxy resume or by the workers that run.
"""

_REPAIR = """\
Examples:

  optiproxy repair mnist1d-optiproxy-0
  optiproxy repair edge --storage runs.journal
"""

_NEW = """\
Examples:

  optiproxy new edge space.json --budget 50
  optiproxy ask edge                          7 {"depth": 2, "width": 16}
  optiproxy tell edge --json '{"id": 7, "metrics": {"accuracy": 0.93}}'
  optiproxy status edge

space.json:

  {"space": {"kind": "chain", "choices": {"depth": [1, 2, 3], "width": [16, 32]}},
   "objectives": {"accuracy": "max"}, "constraints": {"latency_ms": "<= 5"}}
"""

_ASK = """\
Examples:

  optiproxy ask edge
  optiproxy ask edge -n 3 --lease 4h --json
"""

_TELL = """\
Examples:

  optiproxy tell edge --json '{"id": 7, "metrics": {"accuracy": 0.93}}'
  echo '[{"id": 8, "failed": "killed", "kind": "oom"}]' | optiproxy tell edge --json -
"""

_RENEW = """\
Examples:

  optiproxy renew edge 7 8 --lease 2h
  optiproxy release edge 9
"""

_EXPORT = """\
Examples:

  optiproxy export mnist1d-optiproxy-0 --out best.pt
  optiproxy export mnist1d-optiproxy-0 --format onnx --out best.onnx
  optiproxy export edge --storage runs.journal --format json --out best.json
"""

_REPORT = """\
Examples:

  optiproxy report mnist1d-optiproxy-0
  optiproxy report edge --storage runs.journal --out edge.html
"""

_WATCH = """\
Examples:

  optiproxy watch mnist1d-optiproxy-0
  optiproxy watch edge --storage /shared/runs.journal --port 8080
"""

_INIT = """\
Examples:

  optiproxy init my-search
  optiproxy init my-search --kind cell
"""

_COMPARE = """\
Examples:

  optiproxy compare nb201-cifar10 --methods optiproxy,random,evolution,local
  optiproxy compare nb201-cifar10 nb201-cifar100 --seeds 5 --budget 50 --out nb201
  optiproxy compare mine.py:task --methods 'optiproxy[n_init=5],mine.py:Method' --batch 1
  optiproxy compare nb201-costs-cifar100 --cost train_seconds --cost-budget 200000

The same command again continues an interrupted comparison.
"""

_DATA = """\
Examples:

  optiproxy data list
  optiproxy data add nasbench_only108.tfrecord    a benchmark's own file, converted once
  optiproxy data add my/folder                    every table and file in a folder
  optiproxy data fetch nasbench101                from its authors' address
"""


def make_app() -> App:
    """The commands; each is imported when it is called."""
    app = App(
        name="optiproxy",
        help="Neural architecture search with few queries.",
        help_epilogue=_EXAMPLES,
        version=optiproxy.__version__,
        help_format="plaintext",
        help_formatter=Flowing(),
        default_parameter=Parameter(negative="", converter=_read),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    commands = "optiproxy.cli"
    app.command(
        f"{commands}.tasks:tasks", name="tasks", help="Lists the tasks that can be searched."
    )
    app.command(
        f"{commands}.search:search",
        name="search",
        help="Searches for the best architecture of a task.",
        help_epilogue=_SEARCH,
    )
    app.command(
        f"{commands}.resume:resume",
        name="resume",
        help="Continues a stored search, also after a crash.",
        help_epilogue=_RESUME,
    )
    app.command(
        f"{commands}.worker:worker",
        name="worker",
        help="One more worker on a stored search.",
        help_epilogue=_WORKER,
    )
    app.command(
        f"{commands}.show:show",
        name="show",
        help="Prints the queries of a stored search.",
        help_epilogue=_SHOW,
    )
    app.command(
        f"{commands}.retry:retry",
        name="retry",
        help="Has failed queries evaluated again.",
        help_epilogue=_RETRY,
    )
    app.command(
        f"{commands}.repair:repair",
        name="repair",
        help="Repairs a damaged journal file.",
        help_epilogue=_REPAIR,
    )
    app.command(
        f"{commands}.new:new",
        name="new",
        help="Begins a search for your own programs to drive.",
        help_epilogue=_NEW,
    )
    app.command(
        f"{commands}.ask:ask",
        name="ask",
        help="Takes queries for your own program to evaluate.",
        help_epilogue=_ASK,
    )
    app.command(
        f"{commands}.tell:tell",
        name="tell",
        help="Stores what your own program found.",
        help_epilogue=_TELL,
    )
    app.command(
        f"{commands}.renew:renew",
        name="renew",
        help="Keeps queries that were asked for.",
        help_epilogue=_RENEW,
    )
    app.command(
        f"{commands}.release:release",
        name="release",
        help="Gives back queries that were asked for.",
        help_epilogue=_RENEW,
    )
    app.command(
        f"{commands}.status:status",
        name="status",
        help="How far a stored search is.",
    )
    app.command(
        f"{commands}.mcp:mcp",
        name="mcp",
        help="Serves ask and tell to agents (MCP).",
    )
    app.command(
        f"{commands}.report:report",
        name="report",
        help="Writes a stored search as an HTML report.",
        help_epilogue=_REPORT,
    )
    app.command(
        f"{commands}.watch:watch",
        name="watch",
        help="Shows the report of a search in your browser while it runs.",
        help_epilogue=_WATCH,
    )
    app.command(
        f"{commands}.export:export",
        name="export",
        help="Writes the best architecture, or its network.",
        help_epilogue=_EXPORT,
    )
    app.command(
        f"{commands}.compare:compare",
        name="compare",
        help="Compares methods over many seeds.",
        help_epilogue=_COMPARE,
    )
    app.command(
        f"{commands}.methods:methods",
        name="methods",
        help="Lists the search methods, with their settings and references.",
    )
    app.command(
        f"{commands}.methods:proxies",
        name="proxies",
        help="Lists the models behind a method, with their references.",
    )
    app.command(
        f"{commands}.init:init",
        name="init",
        help="Writes a starter: your own space and training.",
        help_epilogue=_INIT,
    )
    data = App(
        name="data",
        help="Lists, adds and downloads published tables.",
        help_epilogue=_DATA,
    )
    data.command(f"{commands}.data:list_tables", name="list", help="Lists the known tables.")
    data.command(f"{commands}.data:add", name="add", help="Adds tables and benchmark files.")
    data.command(f"{commands}.data:fetch", name="fetch", help="Downloads a benchmark.")
    app.command(data)
    app.register_install_completion_command(help="Installs completion for your shell.")
    return app


def _expanded(token: str) -> str:
    """An argument with the home folder for ``~``, which shells leave in ``--out=~/x``."""
    option, _, value = token.partition("=") if token.startswith("--") else ("", "", token)
    home = os.path.expanduser(value) if value == "~" or value.startswith("~/") else value
    return f"{option}={home}" if option and home != value else token if option else home


def _read(kind: Any, tokens: Sequence[Token]) -> Any:
    """An option's value from its text; unlike cyclopts it does not round for a whole number."""
    if kind in (int, int | None) and not re.fullmatch(r"[+-]?\d+", tokens[0].value):
        raise CoercionError(token=tokens[0], target_type=int)
    return convert(kind, tokens)


def main() -> None:
    """The entry point of the command ``optiproxy``."""
    # SIGTERM, which a cluster sends before it takes the machine away, acts as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # A pipe's encoding may lack the characters of a picture.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs a command line and returns its exit code; errors become one line on standard error."""
    debug = "--debug" in arguments
    _trust.given = "--trust" in arguments
    tokens = [_expanded(token) for token in arguments if token not in ("--debug", "--trust")]
    if not tokens:
        print(_START, end="")
        return 0
    try:
        app = make_app()
        if {"--help", "-h"} & set(tokens):
            _tell_plugins(app)
        code = app(tokens, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except KeyboardInterrupt:
        say(_stopped(tokens), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has ended (`optiproxy tasks | head -1`); Python's exit must not write either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if debug:
            raise
        return _report(error)


def _stopped(tokens: Sequence[str]) -> str:
    """What is said after Ctrl-C or SIGTERM where the command itself said nothing."""
    if tokens[0] not in ("search", "resume", "worker", "compare"):
        return "stopped"
    return f"stopped; go on with: {shlex.join(['optiproxy', *tokens])}"


def _tell_plugins(app: App) -> None:
    """Adds what other packages register to the help of `search`; only when it is asked for."""
    from optiproxy.cli._plugins import plugins

    if added := plugins():
        app["search"].help_epilogue = f"{_SEARCH}\n{added}"


def _report(error: Exception) -> int:
    expected = isinstance(error, (OptiProxyError, CycloptsError, OSError))
    text = " ".join(str(error).split()) or type(error).__name__
    if not expected:
        text = f"{type(error).__name__}: {text} (unexpected; run again with --debug)"
    say(f"error: {text}", file=sys.stderr)
    return BAD_INPUT if isinstance(error, (InvalidValueError, CycloptsError)) else FAILED
