"""The commands: what each is called, where it is, and the help that no docstring has."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One command.

    Attributes:
        function: ``module:function`` in this folder, imported when the command is called.
        help: One line of the list of commands.
        examples: Lines below its help.
    """

    function: str
    help: str
    examples: str = ""

    @property
    def epilogue(self) -> str | None:
        """The examples under a heading; None where there are none."""
        return f"Examples:\n\n{self.examples}" if self.examples else None


_RENEW = """\
  optiproxy renew edge 7 8 --lease 2h
  optiproxy release edge 9
"""

COMMANDS = {
    "tasks": Command("tasks:tasks", "Lists the tasks that can be searched."),
    "search": Command(
        "search:search",
        "Searches for the best architecture of a task.",
        """\
  optiproxy search mnist1d
  optiproxy search nb201-cifar10 --budget 50 --seed 1 --json
  optiproxy search mnist1d --constraint 'latency_ms<=60%' --workers 2
  optiproxy search mnist1d --objective val_accuracy=max --objective params=min
  optiproxy search mnist1d --measure onnx --constraint 'latency_ms<=0.015'
  optiproxy search mine.py:task --dask tcp://10.0.0.1:8786
  optiproxy search path/to/mine.py:task --method random --storage runs.journal

The same command again continues a stored search; see also: optiproxy resume --help.
""",
    ),
    "resume": Command(
        "resume:resume",
        "Continues a stored search, also after a crash.",
        """\
  optiproxy resume mnist1d-optiproxy-0
  optiproxy resume mnist1d-optiproxy-0 --budget 200 --workers 2
  optiproxy resume edge --storage sqlite:///runs.db
""",
    ),
    "worker": Command(
        "worker:worker",
        "One more worker on a stored search.",
        """\
  optiproxy search mine.py:task --storage /shared/runs.journal --name edge
  optiproxy worker edge --storage /shared/runs.journal        (on another machine)

A study that was made in a program has no task to load: run that program on each machine.
""",
    ),
    "show": Command(
        "show:show",
        "Prints the queries of a stored search.",
        """\
  optiproxy show mnist1d-optiproxy-0
  optiproxy show mnist1d-optiproxy-0 --query 7     with its traceback if it failed
  optiproxy show edge --kind oom --storage runs.journal
""",
    ),
    "retry": Command(
        "retry:retry",
        "Has failed queries evaluated again.",
        """\
  optiproxy retry mnist1d-optiproxy-0 --query 7
  optiproxy retry edge --kind oom --storage runs.journal

Failed queries count in the budget. Retried ones are evaluated in their place, by
optiproxy resume or by the workers that run.
""",
    ),
    "repair": Command(
        "repair:repair",
        "Repairs a damaged journal file.",
        """\
  optiproxy repair mnist1d-optiproxy-0
  optiproxy repair edge --storage runs.journal
""",
    ),
    "new": Command(
        "new:new",
        "Begins a search for your own programs to drive.",
        """\
  optiproxy new edge space.json --budget 50
  optiproxy ask edge                          7 {"depth": 2, "width": 16}
  optiproxy tell edge --json '{"id": 7, "metrics": {"accuracy": 0.93}}'
  optiproxy status edge

space.json:

  {"space": {"kind": "chain", "choices": {"depth": [1, 2, 3], "width": [16, 32]}},
   "objectives": {"accuracy": "max"}, "constraints": {"latency_ms": "<= 5"}}
""",
    ),
    "ask": Command(
        "ask:ask",
        "Takes queries for your own program to evaluate.",
        """\
  optiproxy ask edge
  optiproxy ask edge -n 3 --lease 4h --json
""",
    ),
    "tell": Command(
        "tell:tell",
        "Stores what your own program found.",
        """\
  optiproxy tell edge --json '{"id": 7, "metrics": {"accuracy": 0.93}}'
  echo '[{"id": 8, "failed": "killed", "kind": "oom"}]' | optiproxy tell edge --json -
""",
    ),
    "renew": Command("renew:renew", "Renews the leases of queries.", _RENEW),
    "release": Command("release:release", "Gives queries back.", _RENEW),
    "status": Command("status:status", "How far a stored search is."),
    "mcp": Command("mcp:mcp", "Serves ask and tell to agents (MCP)."),
    "report": Command(
        "report:report",
        "Writes a stored search as an HTML report.",
        """\
  optiproxy report mnist1d-optiproxy-0
  optiproxy report edge --storage runs.journal --out edge.html
""",
    ),
    "watch": Command(
        "watch:watch",
        "Shows the report of a search in your browser while it runs.",
        """\
  optiproxy watch mnist1d-optiproxy-0
  optiproxy watch edge --storage /shared/runs.journal --port 8080
""",
    ),
    "export": Command(
        "export:export",
        "Writes the best architecture, or its network.",
        """\
  optiproxy export mnist1d-optiproxy-0 --out best.pt
  optiproxy export mnist1d-optiproxy-0 --format onnx --out best.onnx
  optiproxy export edge --storage runs.journal --format json --out best.json
""",
    ),
    "compare": Command(
        "compare:compare",
        "Compares methods over many seeds.",
        """\
  optiproxy compare nb201-cifar10 --methods optiproxy,random,evolution,local
  optiproxy compare nb201-cifar10 nb201-cifar100 --seeds 5 --budget 50 --out nb201
  optiproxy compare mine.py:task --methods 'optiproxy[n_init=5],mine.py:Method' --batch 1
  optiproxy compare nb201-costs-cifar100 --cost train_seconds --cost-budget 200000

The same command again continues an interrupted comparison.
""",
    ),
    "methods": Command(
        "methods:methods", "Lists the search methods, with their settings and references."
    ),
    "proxies": Command(
        "methods:proxies", "Lists the models behind a method, with their references."
    ),
    "init": Command(
        "init:init",
        "Writes a starter: your own space and training.",
        """\
  optiproxy init my-search
  optiproxy init my-search --kind cell
""",
    ),
}

DATA = {
    "list": Command("data:list_tables", "Lists the known tables."),
    "add": Command("data:add", "Adds tables and benchmark files."),
    "fetch": Command("data:fetch", "Downloads a benchmark."),
}

DATA_EXAMPLES = """\
Examples:

  optiproxy data list
  optiproxy data add nasbench_only108.tfrecord    a benchmark's own file, converted once
  optiproxy data add my/folder                    every table and file in a folder
  optiproxy data fetch nasbench101                from its authors' address
"""
