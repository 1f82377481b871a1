"""The registered tasks, by name. A new task is one new file and one line here."""

from __future__ import annotations

from dataclasses import dataclass

from optiproxy.errors import OptiProxyError
from optiproxy.registry import Registry
from optiproxy.tasks._hw_names import TARGETS

TASKS = Registry(
    "task",
    {
        "mnist1d": "optiproxy.tasks.mnist1d:task",
        "nasbench-graph-computers": "optiproxy.tasks.nasbench_graph:computers",
        "nasbench-graph-cora": "optiproxy.tasks.nasbench_graph:cora",
        "nasbench-graph-cs": "optiproxy.tasks.nasbench_graph:cs",
        "nasbench-graph-physics": "optiproxy.tasks.nasbench_graph:physics",
        "nasbench-graph-pubmed": "optiproxy.tasks.nasbench_graph:pubmed",
        "nasbench-macro": "optiproxy.tasks.nasbench_macro:cifar10",
        "nb201-cifar10": "optiproxy.tasks.nb201:cifar10",
        "nb201-cifar100": "optiproxy.tasks.nb201:cifar100",
        "nb201-imagenet16-120": "optiproxy.tasks.nb201:imagenet16_120",
        "spikenas-cifar10": "optiproxy.tasks.spikenas:cifar10",
        **TARGETS,  # hw-nb201-DATA-DEVICE
    },
    group="optiproxy.tasks",
)


@dataclass(frozen=True)
class CatalogueRow:
    """One task, as ``optiproxy tasks`` shows it.

    Attributes:
        name: What ``optiproxy search`` is given.
        description: One line.
        architectures: How many there are to choose from.
        metrics: The names of all metrics, reported ones included.
        objectives: ``METRIC=max`` or ``METRIC=min``; the first one ranks.
        constraints: ``METRIC <= NUMBER`` or ``METRIC >= NUMBER``.
        reported: The metrics that never guide a search.
        source: Where the numbers come from.
        licence: The licence of the source.
        citation: The publication.
        data: "here", "missing" or "broken"; "built in" where nothing has to be fetched.
        problem: Why a task of another package can't be loaded; then only `name` is known.
        family: What tasks that differ in data set or device alone share; empty for a task by itself.
    """

    name: str
    description: str = ""
    architectures: int = 0
    metrics: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    citation: str = ""
    data: str = ""
    problem: str = ""
    family: str = ""


def catalogue() -> list[CatalogueRow]:
    """A row for each registered task. No table is loaded and nothing is trained."""
    return [_row(name) for name in TASKS.names()]


def _row(name: str) -> CatalogueRow:
    # Here, for `_loading` needs the registry above.
    from optiproxy.tasks import data
    from optiproxy.tasks._loading import get

    try:
        task = get(name)
    except OptiProxyError as error:
        return CatalogueRow(name, problem=str(error))
    states = [data.status(table).status for table in task.origin.tables]
    return CatalogueRow(
        name,
        task.description,
        task.space.count,
        task.metrics,
        tuple(f"{objective.metric}={objective.direction}" for objective in task.objectives),
        tuple(str(constraint) for constraint in task.constraints),
        task.reported,
        task.origin.source,
        task.origin.licence,
        task.origin.citation,
        next((s for s in ("broken", "missing", "here") if s in states), "built in"),
        family=task.origin.family,
    )
