"""``optiproxy show``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optiproxy.study import Record, Study


def show(
    name: str, /, *, query: int | None = None, kind: str | None = None, storage: str | None = None
) -> int:
    """Prints the queries of a stored search, or all about one of them.

    Args:
        name: The study's name.
        query: The number of the query to show, with the traceback if it failed; by default every
            query is printed in one line.
        kind: Lists the failed queries of one kind only: oom, time-limit, nan, died, device, or the
            class of an exception.
        storage: Where the study is stored; by default ./NAME.journal.
    """
    from optiproxy.cli._say import say
    from optiproxy.cli._trust import stored_study
    from optiproxy.errors import invalid, unknown

    study = stored_study(name, storage)
    records = {record.query: record for record in study.queries}
    if query is not None:
        if query not in records:
            raise invalid("query", query, f"the study has {len(records)} finished queries")
        say("\n".join(_whole(study, records[query])))
        return 0
    kinds = sorted({record.kind for record in records.values()} - {""})
    if kind is not None and kind not in kinds:
        raise unknown("kind", kind, kinds)
    for record in records.values():
        if kind in (None, record.kind):
            say(_line(study, record))
    return 0


def _line(study: Study, record: Record) -> str:
    """A query in one line: its number, how it went, and what it was."""
    from optiproxy.cli._summary import number

    if record.metrics is None:
        said = "stopped early" if record.stopped else f"failed, {record.kind or 'unknown'}"
    else:
        metrics = (o.metric for o in study.task.objectives)
        said = ", ".join(f"{name} {number(record.metrics[name])}" for name in metrics)
        said += "" if record.feasible else " (breaks a limit)"
    return f"{record.query:>5}  {said:<32}  {study.task.space.to_text(record.architecture)}"


def _whole(study: Study, record: Record) -> Iterator[str]:
    from optiproxy import durations
    from optiproxy.cli._summary import number

    yield f"query {record.query} of {study.name}"
    yield f"  architecture  {study.task.space.to_text(record.architecture)}"
    for name, value in (record.metrics or {}).items():
        yield f"  {name}  {number(value)}"
    if record.metrics is not None and not record.feasible:
        yield "  breaks a limit"
    yield f"  evaluated in  {durations.text(round(record.seconds, 1) or 0.1)}"
    if record.epochs is not None:
        yield f"  epochs  {record.epochs}"
    if record.worker is not None:
        device = f" on GPU {record.device}" if record.device else ""
        yield f"  worker  {record.worker}{device}"
    if record.reason:
        kind = f" ({record.kind})" if record.kind else ""
        yield f"  {'stopped' if record.stopped else 'failed'}{kind}  {record.reason}"
    if record.traceback:
        yield ""
        yield record.traceback.rstrip()
