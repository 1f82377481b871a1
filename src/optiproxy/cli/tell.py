"""``optiproxy tell``."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter


def tell(
    name: str,
    /,
    *,
    json: Annotated[str, Parameter(allow_leading_hyphen=True)],
    storage: str | None = None,
) -> int:
    """Stores the answers to queries, and prints one JSON object.

    An answer is {"id": 7, "metrics": {"accuracy": 0.93}}, or of an evaluation that failed
    {"id": 7, "failed": "out of memory", "kind": "oom"}. If one of several can't be used, or was
    stored already, nothing is stored.

    Args:
        name: The study's name.
        json: One answer or a list of them: a file, - for standard input, or the JSON itself.
        storage: Where the study is stored; by default ./NAME.journal.
    """
    from json import dumps

    from optiproxy.cli._programs import told
    from optiproxy.cli._quiet_stdout import quiet_stdout
    from optiproxy.cli._trust import stored_study

    answers = _read(json)
    study = stored_study(name, storage)
    with quiet_stdout():  # The task's functions may print.
        ids = study.tell(answers)
    print(dumps(told(study, ids), ensure_ascii=False))
    return 0


def _read(given: str) -> Any:
    import sys
    from json import JSONDecodeError, loads
    from pathlib import Path

    from optiproxy.errors import InvalidValueError

    text = given
    if given == "-":
        text = sys.stdin.read()
    elif not given.lstrip().startswith(("{", "[")):
        try:
            text = Path(given).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            remedy = "give a file, - for standard input, or the JSON itself"
            raise InvalidValueError(f"json: got {given!r}, a file ({error}); {remedy}") from None
    try:
        return loads(text)
    except JSONDecodeError as error:
        raise InvalidValueError(f"json: {text[:80]!r} is no JSON: {error}") from None
