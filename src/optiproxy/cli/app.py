"""The commands by name, and how errors are reported. Imports neither torch nor Optuna."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import sys
import sysconfig
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cyclopts import App, CoercionError, Parameter, Token, convert
from cyclopts.exceptions import CycloptsError, MissingArgumentError

import optiproxy
from optiproxy.cli import _trust
from optiproxy.cli._commands import COMMANDS, DATA, DATA_EXAMPLES, Command
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

Every command takes --help, and --debug for the traceback of an error.
Those that read a stored search take --trust, if it names a command or a file
outside this folder (docs/trust.md).
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
    _add(app, COMMANDS)
    data = App(
        name="data",
        help="Lists, adds and downloads published tables.",
        help_epilogue=DATA_EXAMPLES,
    )
    _add(data, DATA)
    app.command(data)
    app.register_install_completion_command(help="Installs completion for your shell.")
    return app


def _add(app: App, commands: Mapping[str, Command]) -> None:
    for name, command in commands.items():
        app.command(
            f"optiproxy.cli.{command.function}",
            name=name,
            help=command.help,
            help_epilogue=command.epilogue,
        )


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
    for stream in (sys.stdout, sys.stderr):
        # A pipe's encoding may lack the characters of a picture.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    # Where Ctrl-C came while code ran that is a text, as dataclasses make at import, Python would
    # end by the signal in spite of our exit code: running another text makes it forget that.
    exec("")
    sys.exit(code)


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
        app["search"].help_epilogue = f"{COMMANDS['search'].epilogue}\n{added}"


def _report(error: Exception) -> int:
    expected = isinstance(error, (OptiProxyError, CycloptsError, OSError))
    text = " ".join(str(error).split()) or type(error).__name__
    if not expected:
        where = _line_of_user(error) or "unexpected"
        text = f"{type(error).__name__}: {text} ({where}; run again with --debug)"
    if isinstance(error, MissingArgumentError) and " NAME " in text:
        here = sorted(map(str, Path().glob("*.journal")))
        text += f" In this folder: {', '.join(here[:8])}" if here else ""
    say(f"error: {text}", file=sys.stderr)
    return BAD_INPUT if isinstance(error, (InvalidValueError, CycloptsError)) else FAILED


def _line_of_user(error: Exception) -> str:
    """The last line of a user's own file that an error went through; empty where there is none."""
    trace = "".join(traceback.format_exception(error))  # that of a worker process too
    installed = (*map(os.path.realpath, sysconfig.get_paths().values()), *optiproxy.__path__)
    places: list[tuple[str, str]] = re.findall(r'File "([^"<]+)", line (\d+)', trace)
    own = [
        (file, line)
        for file, line in places
        if not any(Path(os.path.realpath(file)).is_relative_to(folder) for folder in installed)
    ]
    return f"{os.path.relpath(own[-1][0])}, line {own[-1][1]}" if own else ""
