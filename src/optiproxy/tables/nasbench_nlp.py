"""NAS-Bench-NLP: recurrent cells on WikiText-2 and Penn Treebank, looked up.

The objective is the loss (cross-entropy per word, in nats) on the validation text after the last
epoch, to be minimised; the loss on the test text is only reported. Both are means over a network's
trainings. The tables are samples of a vast space, so the tasks are pools. Recipes that are the same
network in another numbering count as one: WikiText-2's 345 trainings are of 265 networks.

A low fidelity is an epoch of the full trainings' own curves.

Reference: Klyuchnikov et al., NAS-Bench-NLP, IEEE Access 10, 2022, https://arxiv.org/abs/2006.07116.
"""

from __future__ import annotations

from collections.abc import Mapping

from optiproxy.spaces import Pool, Recurrent
from optiproxy.tables.averaged_rows import At, AveragedRows, from_bytes, from_texts
from optiproxy.tables.benchmark import benchmark
from optiproxy.tables.fidelity_rows import FidelityRows
from optiproxy.tables.table import Table

WIKITEXT2, PTB = "nasbench_nlp_wikitext2", "nasbench_nlp_ptb"
NETWORKS = 265
# Epochs of the learning curves that are low fidelities.
SHORT, FULL = (1, 5, 10, 25), 50

_FINAL: Mapping[str, str] = {"val_loss": "final_val_loss", "test_loss": "final_test_loss"}
_SECONDS: Mapping[str, str] = {"wall_seconds": "wall_seconds"}
_NOTHING: Mapping[str, str] = {}

_CITATION = (
    "Klyuchnikov et al., NAS-Bench-NLP, IEEE Access 10, 2022, https://arxiv.org/abs/2006.07116"
)


def wikitext2() -> Table:
    """NAS-Bench-NLP on WikiText-2."""
    lower = {n: _wikitext2({"val_loss": At("val_losses", n)}) for n in SHORT}
    return _task(_wikitext2(_FINAL, _SECONDS), lower, "wikitext2", "WikiText-2")


def _wikitext2(losses: Mapping[str, str | At], also: Mapping[str, str] = _NOTHING) -> AveragedRows:
    return AveragedRows(
        Recurrent(),
        WIKITEXT2,
        key=["recipe"],
        read=from_texts,
        columns={**losses, "params": "num_params", **also},
        count=NETWORKS,
    )


def ptb() -> Table:
    """NAS-Bench-NLP on Penn Treebank, from the authors' training logs."""
    lower = {n: _ptb({"val_loss": f"val_loss_epoch_{n}"}) for n in SHORT}
    return _task(_ptb(_FINAL, _SECONDS), lower, "ptb", "Penn Treebank")


def _ptb(losses: Mapping[str, str], also: Mapping[str, str] = _NOTHING) -> AveragedRows:
    return AveragedRows(
        Recurrent(24, 3),
        PTB,
        key=["row"],
        read=from_bytes,
        columns={**losses, "params": "params", **also},
    )


def _task(
    full: AveragedRows, lower: Mapping[int, AveragedRows], data_set: str, title: str
) -> Table:
    return benchmark(
        full.table,
        Pool(full.space, full),
        FidelityRows(full, FULL, lower),
        name=f"nasbench-nlp-{data_set}",
        objectives={"val_loss": "min"},
        reported=["test_loss"],
        description=(
            f"NAS-Bench-NLP on {title}: loss per word in nats after the last epoch, mean of a "
            "network's trainings; parameters"
        ),
        citation=_CITATION,
        family="nasbench-nlp",
    )
