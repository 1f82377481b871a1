"""A device behind a user's command, which receives a network and prints JSON."""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optiproxy.errors import MeasurementFailed, invalid
from optiproxy.hardware._process import kill

PLACE = "{onnx}"
_REMEDY = f"write a command with {PLACE}, such as: ssh pi measure.sh {PLACE}"


@dataclass(frozen=True)
class Command:
    """A command that measures a network somewhere else.

    >>> Command("scp {onnx} pi:net.onnx >&2 && ssh pi ./measure.sh net.onnx")
    Command(text='scp {onnx} pi:net.onnx >&2 && ssh pi ./measure.sh net.onnx', time_limit_s=300.0)

    The shell runs it, with ``{onnx}`` replaced by the path of the network as an ONNX file. On its
    standard output it prints one JSON object, optionally after other lines:

    ==================== ==========================================================
    ``latency_ms``       the latency in milliseconds; required
    ``iqr_ms``           the interquartile range of single runs
    ``repeats``          the number of runs
    ``peak_memory_mb``   the memory of the network, in MB
    ``device``           a text
    ``threads``          a whole number
    ``versions``         an object: name → version
    any other name       a number: a metric of its own, such as ``energy_mj``
    ==================== ==========================================================

    An exit code other than 0, an answer without ``latency_ms`` and a command that takes too long
    are failed measurements; the command is then killed with all its children.

    Args:
        text: The command.
        time_limit_s: Limit of one measurement, in seconds.

    Raises:
        InvalidValueError: The text has no ``{onnx}``, or the limit is not a positive number.
    """

    text: str
    time_limit_s: float = 300.0

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or PLACE not in self.text:
            raise invalid("measure: command", self.text, _REMEDY)
        if not 0 < self.time_limit_s < math.inf:
            raise invalid(
                "measure: time_limit_s", self.time_limit_s, "give a number of seconds above 0"
            )

    def run(self, onnx: Path) -> dict[str, Any]:
        """The command's answer for the network in `onnx`, checked.

        Raises:
            MeasurementFailed: It failed, took too long, or printed something else.
        """
        process = subprocess.Popen(
            self.text.replace(PLACE, shlex.quote(str(onnx))),
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=self.time_limit_s)
        except subprocess.TimeoutExpired:
            raise MeasurementFailed(
                f"measure: the command took longer than {self.time_limit_s:g} s"
            ) from None
        finally:
            # Also its background processes, and at Ctrl-C.
            kill(process)
        if process.returncode != 0:
            said = (err.strip() or out.strip()).splitlines()[-1:]
            raise MeasurementFailed(
                f"measure: the command ended with {process.returncode}{': ' if said else ''}"
                f"{''.join(said)}"
            )
        return _checked(_parsed(out))


def _parsed(out: str) -> dict[str, Any]:
    # The object may take several lines, and lines of a log may come before it.
    for match in re.finditer(r"^[ \t]*\{", out, re.MULTILINE):
        try:
            answer = json.loads(out[match.start() :])
        except ValueError:
            continue
        if isinstance(answer, dict):
            return answer
    last = (out.strip().splitlines() or ["nothing"])[-1]
    raise MeasurementFailed(
        f"measure: the command printed no JSON object at its end, but {last[:200]!r}; "
        'it must print one such as {"latency_ms": 1.5}'
    )


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    for name, value in answer.items():
        if name == "device":
            good, what = isinstance(value, str), "a text"
        elif name == "versions":
            good, what = isinstance(value, dict), "an object"
        elif name in ("repeats", "threads"):
            good, what = isinstance(value, int) and not isinstance(value, bool), "a whole number"
        else:
            good, what = _is_number(value), "a finite number"
        if not good:
            raise MeasurementFailed(f"measure: the command printed {name} {value!r}, not {what}")
    if not answer.get("latency_ms", 0.0) > 0:
        raise MeasurementFailed(
            f"measure: the command printed no latency_ms above 0, but {json.dumps(answer)[:200]}"
        )
    return answer


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
