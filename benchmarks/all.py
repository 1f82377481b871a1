"""Makes every result again that a document cites, by the command that is stored with it.

    python benchmarks/all.py --list
    python benchmarks/all.py [--only nb201 hardware] [--again]
    python benchmarks/all.py --quick --out /tmp/quick

A document cites files and folders of ``benchmarks/results``, which hold their commands. What the
same code has made already is not made again, so that it can be stopped and goes on: the code is
``src`` and the scripts, committed. With ``--quick`` each command has three seeds and small budgets,
to see that it works.
"""

from __future__ import annotations

import datetime
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import _results

ROOT = _results.ROOT
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
#: Where a folder that ``optiproxy compare`` wrote has its command.
RUNS = ("run.json", "parallel.json")

#: What makes a script quick, of the options that it has.
QUICK = {"--seeds": "3", "--budget": "12", "--budgets": "12", "--points": "3", "--processes": "1"}
#: Script → more; the last of an option counts.
QUICK_TOO = {
    "bookkeeping": "--queries 20 40 --more 5",
    "dead_edges": "--proxies gp",
    "early_stopping": "--budget 6",
    "gap": "--budget 30",
    "initial_sample": "--budget 30",
    "kills": "--points 5",
    "latency_prediction": "--architectures 24 --repeated 4 --measurements 2",
    "levels": "--proxies gp",
    "long_searches": "--each 1 --hours 2 --answers 50 --queries 50",
    "low_fidelity": "--low-budget 4",
    "nb201": "--at 6 12",
    "nn_spaces": "--repetitions 1",
    "scale": "--queries 20",
    "scores": "--architectures 20",
    "spaces_speed": "--rows 100 --runs 1",
    "storages": "--queries 10",
    "tables_speed": "--rounds 1",
}


@dataclass
class Experiment:
    """A command, and the results that it makes.

    Attributes:
        words: The command, without the folder it writes to.
        labels: Names of its results, without their dates.
    """

    words: list[str]
    labels: list[str] = field(default_factory=list)

    def run(self, out: Path) -> None:
        if self.words[0] == "optiproxy":
            today = datetime.datetime.now(datetime.UTC).date().isoformat()
            folder = out / f"{today}-{self.labels[0]}"
            call = [sys.executable, "-m", "optiproxy.cli", *self.words[1:], "--out", str(folder)]
        else:
            call = [sys.executable, *self.words[1:], "--out", str(out)]
        subprocess.run(call, cwd=ROOT, check=True)

    def made(self, out: Path) -> bool:
        """Whether the code as it is has made all of its results."""
        return all(any(map(_current, _dated(out, label))) for label in self.labels)

    def quick(self) -> Experiment:
        """The command with three seeds and small budgets."""
        words = list(self.words)
        if words[0] == "optiproxy":  # which takes an option once
            for option in ("--seeds", "--budget", "--budgets"):
                if option in words:
                    words[words.index(option) + 1] = QUICK[option]
            return Experiment(words, self.labels)
        script = ROOT / words[1]
        text = script.read_text("utf-8")
        # The command line of some experiments is that of a module they share.
        for module in re.findall(r"^from (_[a-z]\w*) import", text, re.M):
            text += (script.parent / f"{module}.py").read_text("utf-8")
        for option, value in QUICK.items():
            words += [option, value] if f'"{option}"' in text else []
        return Experiment([*words, *QUICK_TOO.get(script.stem, "").split()], self.labels)


def cited() -> Iterator[Path]:
    """The results that the documents name; ``*`` in a name stands for several."""
    for page in PAGES:
        for name in re.findall(r"benchmarks/results/([\w.*-]+)", page.read_text("utf-8")):
            yield from sorted(_results.RESULTS.glob(name.rstrip(".")))


def experiments() -> list[Experiment]:
    """Each command once, in the order in which the documents cite what it made."""
    found: dict[str, Experiment] = {}
    for path in dict.fromkeys(cited()):
        command = re.sub(r" --out[ =]\S+", "", _content(path)["command"])
        experiment = found.setdefault(command, Experiment(shlex.split(command)))
        experiment.labels.append(re.sub(r"^\d{4}-\d\d-\d\d-", "", path.name.removesuffix(".json")))
    return list(found.values())


def _content(path: Path) -> dict[str, Any]:
    if path.is_dir():
        path = next(path / name for name in RUNS if (path / name).exists())
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def _dated(out: Path, label: str) -> Iterator[Path]:
    day = "[0-9]" * 4 + "-[0-9][0-9]-[0-9][0-9]"
    yield from out.glob(f"{day}-{label}.json")
    # A folder has its command when it is complete.
    yield from (path.parent for name in RUNS for path in out.glob(f"{day}-{label}/{name}"))


def _current(path: Path) -> bool:
    """Whether a result is of the code as it is."""
    content = _content(path)
    commit = content.get("commit")
    return bool(commit) and content.get("uncommitted_changes") is False and _same_code(commit)


@cache
def _same_code(commit: str) -> bool:
    places = ["src", "benchmarks", ":!benchmarks/results"]
    call = ["git", "-C", str(ROOT), "diff", "--quiet", commit, "--", *places]
    return subprocess.run(call, capture_output=True, check=False).returncode == 0


def main() -> None:
    parser = _results.parser(__doc__)
    parser.add_argument("--only", nargs="+", metavar="LABEL", help="begin with one of these")
    parser.add_argument("--again", action="store_true", help="also what this code has made")
    parser.add_argument("--quick", action="store_true", help="three seeds, small budgets")
    parser.add_argument("--list", action="store_true", help="print the commands alone")
    options = parser.parse_args()
    if options.quick and options.out.resolve() == _results.RESULTS:
        parser.error("--quick: give --out, a folder of its own")
    for experiment in experiments():
        if options.only and not any(
            label.startswith(first) for label in experiment.labels for first in options.only
        ):
            continue
        chosen = experiment.quick() if options.quick else experiment
        kept = not options.again and chosen.made(options.out)
        print(shlex.join(chosen.words), "(kept)" if kept else "", flush=True)
        if not kept and not options.list:
            chosen.run(options.out)


if __name__ == "__main__":
    main()
