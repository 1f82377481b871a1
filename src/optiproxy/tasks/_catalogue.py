"""The registered tasks, by name. A new task is one new file and one line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optiproxy.errors import OptiProxyError
from optiproxy.registry import Registry
from optiproxy.tasks._hw_names import TARGETS

if TYPE_CHECKING:
    from optiproxy.tasks.base import Task

TASKS = Registry(
    "task",
    {
        "accel-nasbench": "optiproxy.tasks.accel_nasbench:imagenet",
        "mnist1d": "optiproxy.tasks.mnist1d:task",
        "mnist1d-table": "optiproxy.tasks.mnist1d_table:task",
        "nasbench-graph-computers": "optiproxy.tasks.nasbench_graph:computers",
        "nasbench-graph-cora": "optiproxy.tasks.nasbench_graph:cora",
        "nasbench-graph-cs": "optiproxy.tasks.nasbench_graph:cs",
        "nasbench-graph-physics": "optiproxy.tasks.nasbench_graph:physics",
        "nasbench-graph-pubmed": "optiproxy.tasks.nasbench_graph:pubmed",
        "nasbench-macro": "optiproxy.tasks.nasbench_macro:cifar10",
        "nasbench-mr-cls-10-1000": "optiproxy.tasks.nasbench_mr:cls_10_1000",
        "nasbench-mr-cls-10c": "optiproxy.tasks.nasbench_mr:cls_10c",
        "nasbench-mr-cls-50-100": "optiproxy.tasks.nasbench_mr:cls_50_100",
        "nasbench-mr-cls-50-1000": "optiproxy.tasks.nasbench_mr:cls_50_1000",
        "nasbench-mr-seg": "optiproxy.tasks.nasbench_mr:seg",
        "nasbench-mr-seg-4x": "optiproxy.tasks.nasbench_mr:seg_4x",
        "nasbench-mr-video": "optiproxy.tasks.nasbench_mr:video",
        "nasbench-mr-video-p": "optiproxy.tasks.nasbench_mr:video_p",
        "nasbench-nlp-ptb": "optiproxy.tasks.nasbench_nlp:ptb",
        "nasbench-nlp-wikitext2": "optiproxy.tasks.nasbench_nlp:wikitext2",
        "nb101-cifar10": "optiproxy.tasks.nb101:cifar10",
        "nb101-sample": "optiproxy.tasks.nb101:sample",
        "nb201-cifar10": "optiproxy.tasks.nb201:cifar10",
        "nb201-cifar100": "optiproxy.tasks.nb201:cifar100",
        "nb201-imagenet16-120": "optiproxy.tasks.nb201:imagenet16_120",
        "nb201-12epochs-cifar10": "optiproxy.tasks.nb201_more:twelve_epochs_cifar10",
        "nb201-12epochs-cifar100": "optiproxy.tasks.nb201_more:twelve_epochs_cifar100",
        "nb201-12epochs-imagenet16-120": "optiproxy.tasks.nb201_more:twelve_epochs_imagenet16_120",
        "nb201-costs-cifar10": "optiproxy.tasks.nb201_more:costs_cifar10",
        "nb201-costs-cifar100": "optiproxy.tasks.nb201_more:costs_cifar100",
        "nb201-costs-imagenet16-120": "optiproxy.tasks.nb201_more:costs_imagenet16_120",
        "nb201-runs-cifar10": "optiproxy.tasks.nb201_more:runs_cifar10",
        "nb201-runs-cifar100": "optiproxy.tasks.nb201_more:runs_cifar100",
        "nb201-runs-imagenet16-120": "optiproxy.tasks.nb201_more:runs_imagenet16_120",
        "nb201-v1-0-cifar10": "optiproxy.tasks.nats:nb201_v1_0_cifar10",
        "nb201-v1-0-cifar100": "optiproxy.tasks.nats:nb201_v1_0_cifar100",
        "nb201-v1-0-imagenet16-120": "optiproxy.tasks.nats:nb201_v1_0_imagenet16_120",
        "nb201-v1-1-cifar10": "optiproxy.tasks.nats:nb201_v1_1_cifar10",
        "nb201-v1-1-cifar100": "optiproxy.tasks.nats:nb201_v1_1_cifar100",
        "nb201-v1-1-imagenet16-120": "optiproxy.tasks.nats:nb201_v1_1_imagenet16_120",
        "nats-tss-cifar10": "optiproxy.tasks.nats:nats_tss_cifar10",
        "nats-tss-cifar100": "optiproxy.tasks.nats:nats_tss_cifar100",
        "nats-tss-imagenet16-120": "optiproxy.tasks.nats:nats_tss_imagenet16_120",
        "nb301-cifar10": "optiproxy.tasks.nasbench301:cifar10",
        "oncenas-cifar10": "optiproxy.tasks.oncenas:cifar10",
        "spikenas-cifar10": "optiproxy.tasks.spikenas:cifar10",
        "spikenas-curves-cifar10": "optiproxy.tasks.spikenas:curves_cifar10",
        "transnas-micro-class-scene": "optiproxy.tasks.transnas:micro_class_scene",
        "transnas-micro-class-object": "optiproxy.tasks.transnas:micro_class_object",
        "transnas-micro-room-layout": "optiproxy.tasks.transnas:micro_room_layout",
        "transnas-micro-jigsaw": "optiproxy.tasks.transnas:micro_jigsaw",
        "transnas-micro-segmentsemantic": "optiproxy.tasks.transnas:micro_segmentsemantic",
        "transnas-micro-normal": "optiproxy.tasks.transnas:micro_normal",
        "transnas-micro-autoencoder": "optiproxy.tasks.transnas:micro_autoencoder",
        "transnas-macro-class-scene": "optiproxy.tasks.transnas:macro_class_scene",
        "transnas-macro-class-object": "optiproxy.tasks.transnas:macro_class_object",
        "transnas-macro-room-layout": "optiproxy.tasks.transnas:macro_room_layout",
        "transnas-macro-jigsaw": "optiproxy.tasks.transnas:macro_jigsaw",
        "transnas-macro-segmentsemantic": "optiproxy.tasks.transnas:macro_segmentsemantic",
        "transnas-macro-normal": "optiproxy.tasks.transnas:macro_normal",
        "transnas-macro-autoencoder": "optiproxy.tasks.transnas:macro_autoencoder",
        **TARGETS,  # hw-nb201-DATA-DEVICE
        **{
            f"hwnas-{data_set.replace('_', '-')}-{device}": (
                f"optiproxy.tasks.hw_nas_bench:{data_set}_{device}"
            )
            for data_set in ("cifar10", "cifar100", "imagenet16_120")
            for device in ("edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga")
        },
    },
    group="optiproxy.tasks",
)


@dataclass(frozen=True)
class CatalogueRow:
    """One task, as ``optiproxy tasks`` shows it.

    Attributes:
        name: What ``optiproxy search`` is given.
        description: One line.
        architectures: How many there are to choose from; 0 where only its table says it.
        metrics: The names of all metrics, reported ones included.
        objectives: ``METRIC=max`` or ``METRIC=min``; the first one ranks.
        constraints: ``METRIC <= NUMBER`` or ``METRIC >= NUMBER``.
        reported: The metrics that never guide a search.
        source: Where the numbers come from.
        licence: The licence of the source.
        citation: The publication.
        data: "here", "missing" or "broken"; "built in" where nothing has to be fetched.
        problem: Why a task of another package can't be loaded; then only `name` is known.
        family: What tasks share that differ in data set or device alone; empty for one by itself.
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
        _count(task),
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


def _count(task: Task) -> int:
    from optiproxy.tasks._listed import ListedPool

    if isinstance(task.space, ListedPool) and task.space.networks is None:
        return 0
    return task.space.count
