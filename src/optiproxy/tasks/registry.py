"""The registered tasks, by name. A new task is one new file and one line here."""

from __future__ import annotations

from optiproxy.registry import Registry
from optiproxy.tables.nasbench201.devices import TARGETS

TASKS = Registry(
    "task",
    {
        "accel-nasbench": "optiproxy.tables.accel_nasbench:imagenet",
        "mnist1d": "optiproxy.tasks.mnist1d:task",
        "mnist1d-table": "optiproxy.tables.mnist1d:task",
        "nasbench-graph-computers": "optiproxy.tables.nasbench_graph:computers",
        "nasbench-graph-cora": "optiproxy.tables.nasbench_graph:cora",
        "nasbench-graph-cs": "optiproxy.tables.nasbench_graph:cs",
        "nasbench-graph-physics": "optiproxy.tables.nasbench_graph:physics",
        "nasbench-graph-pubmed": "optiproxy.tables.nasbench_graph:pubmed",
        "nasbench-macro": "optiproxy.tables.nasbench_macro:cifar10",
        "nasbench-mr-cls-10-1000": "optiproxy.tables.nasbench_mr:cls_10_1000",
        "nasbench-mr-cls-10c": "optiproxy.tables.nasbench_mr:cls_10c",
        "nasbench-mr-cls-50-100": "optiproxy.tables.nasbench_mr:cls_50_100",
        "nasbench-mr-cls-50-1000": "optiproxy.tables.nasbench_mr:cls_50_1000",
        "nasbench-mr-seg": "optiproxy.tables.nasbench_mr:seg",
        "nasbench-mr-seg-4x": "optiproxy.tables.nasbench_mr:seg_4x",
        "nasbench-mr-video": "optiproxy.tables.nasbench_mr:video",
        "nasbench-mr-video-p": "optiproxy.tables.nasbench_mr:video_p",
        "nasbench-nlp-ptb": "optiproxy.tables.nasbench_nlp:ptb",
        "nasbench-nlp-wikitext2": "optiproxy.tables.nasbench_nlp:wikitext2",
        "nb101-cifar10": "optiproxy.tables.nasbench101:cifar10",
        "nb101-sample": "optiproxy.tables.nasbench101:sample",
        "nb201-cifar10": "optiproxy.tables.nasbench201.accuracy:cifar10",
        "nb201-cifar100": "optiproxy.tables.nasbench201.accuracy:cifar100",
        "nb201-imagenet16-120": "optiproxy.tables.nasbench201.accuracy:imagenet16_120",
        "nb201-12epochs-cifar10": "optiproxy.tables.nasbench201.costs:twelve_epochs_cifar10",
        "nb201-12epochs-cifar100": "optiproxy.tables.nasbench201.costs:twelve_epochs_cifar100",
        "nb201-12epochs-imagenet16-120": (
            "optiproxy.tables.nasbench201.costs:twelve_epochs_imagenet16_120"
        ),
        "nb201-costs-cifar10": "optiproxy.tables.nasbench201.costs:costs_cifar10",
        "nb201-costs-cifar100": "optiproxy.tables.nasbench201.costs:costs_cifar100",
        "nb201-costs-imagenet16-120": "optiproxy.tables.nasbench201.costs:costs_imagenet16_120",
        "nb201-runs-cifar10": "optiproxy.tables.nasbench201.costs:runs_cifar10",
        "nb201-runs-cifar100": "optiproxy.tables.nasbench201.costs:runs_cifar100",
        "nb201-runs-imagenet16-120": "optiproxy.tables.nasbench201.costs:runs_imagenet16_120",
        "nb201-v1-0-cifar10": "optiproxy.tables.nasbench201.nats:nb201_v1_0_cifar10",
        "nb201-v1-0-cifar100": "optiproxy.tables.nasbench201.nats:nb201_v1_0_cifar100",
        "nb201-v1-0-imagenet16-120": "optiproxy.tables.nasbench201.nats:nb201_v1_0_imagenet16_120",
        "nb201-v1-1-cifar10": "optiproxy.tables.nasbench201.nats:nb201_v1_1_cifar10",
        "nb201-v1-1-cifar100": "optiproxy.tables.nasbench201.nats:nb201_v1_1_cifar100",
        "nb201-v1-1-imagenet16-120": "optiproxy.tables.nasbench201.nats:nb201_v1_1_imagenet16_120",
        "nats-tss-cifar10": "optiproxy.tables.nasbench201.nats:nats_tss_cifar10",
        "nats-tss-cifar100": "optiproxy.tables.nasbench201.nats:nats_tss_cifar100",
        "nats-tss-imagenet16-120": "optiproxy.tables.nasbench201.nats:nats_tss_imagenet16_120",
        "nb301-cifar10": "optiproxy.tables.nasbench301:cifar10",
        "oncenas-cifar10": "optiproxy.tables.oncenas:cifar10",
        "spikenas-cifar10": "optiproxy.tables.spikenas:cifar10",
        "spikenas-curves-cifar10": "optiproxy.tables.spikenas:curves_cifar10",
        "transnas-micro-class-scene": "optiproxy.tables.transnas:micro_class_scene",
        "transnas-micro-class-object": "optiproxy.tables.transnas:micro_class_object",
        "transnas-micro-room-layout": "optiproxy.tables.transnas:micro_room_layout",
        "transnas-micro-jigsaw": "optiproxy.tables.transnas:micro_jigsaw",
        "transnas-micro-segmentsemantic": "optiproxy.tables.transnas:micro_segmentsemantic",
        "transnas-micro-normal": "optiproxy.tables.transnas:micro_normal",
        "transnas-micro-autoencoder": "optiproxy.tables.transnas:micro_autoencoder",
        "transnas-macro-class-scene": "optiproxy.tables.transnas:macro_class_scene",
        "transnas-macro-class-object": "optiproxy.tables.transnas:macro_class_object",
        "transnas-macro-room-layout": "optiproxy.tables.transnas:macro_room_layout",
        "transnas-macro-jigsaw": "optiproxy.tables.transnas:macro_jigsaw",
        "transnas-macro-segmentsemantic": "optiproxy.tables.transnas:macro_segmentsemantic",
        "transnas-macro-normal": "optiproxy.tables.transnas:macro_normal",
        "transnas-macro-autoencoder": "optiproxy.tables.transnas:macro_autoencoder",
        **TARGETS,  # hw-nb201-DATA-DEVICE
        **{
            f"hwnas-{data_set.replace('_', '-')}-{device}": (
                f"optiproxy.tables.nasbench201.hw_nas_bench:{data_set}_{device}"
            )
            for data_set in ("cifar10", "cifar100", "imagenet16_120")
            for device in ("edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga")
        },
    },
    group="optiproxy.tasks",
)
