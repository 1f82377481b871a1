"""NAS-Bench-NLP: recurrent cells on WikiText-2 and Penn Treebank, looked up.

The loss (cross-entropy per word, in nats) on the validation text after the last epoch guides, and
is minimised; the one on the test text is only reported. Both are means over a network's trainings.
The tables are samples of a vast space, so the tasks are pools. Recipes that are the same network in
another numbering count as one: WikiText-2's 345 trainings are of 265 networks.

A low fidelity is an epoch of the full trainings' own curves. Of Penn Treebank they are in a table
that was made by this version or a later one.

Reference: Klyuchnikov et al., NAS-Bench-NLP, IEEE Access 10, 2022, https://arxiv.org/abs/2006.07116.
"""

from __future__ import annotations

from collections.abc import Mapping

from optiproxy.spaces import Recurrent
from optiproxy.tables.averaged_rows import At, Listed, from_bytes, from_texts, pool_task
from optiproxy.tables.fidelity_rows import TwoTables
from optiproxy.tables.table import Table

WIKITEXT2, PTB = "nasbench_nlp_wikitext2", "nasbench_nlp_ptb"
NETWORKS = 265
# Epochs of the learning curves that a search may learn from.
SHORT, FULL = (1, 5, 10, 25), 50

_FINAL: Mapping[str, str] = {"val_loss": "final_val_loss", "test_loss": "final_test_loss"}
_NOTHING: Mapping[str, str] = {}

_CITATION = (
    "Klyuchnikov et al., NAS-Bench-NLP, IEEE Access 10, 2022, https://arxiv.org/abs/2006.07116"
)


def wikitext2() -> Table:
    """NAS-Bench-NLP on WikiText-2."""
    short = {n: _wikitext2({"val_loss": At("val_losses", n)}) for n in SHORT}
    return TwoTables(_wikitext2(_FINAL, {"wall_seconds": "wall_seconds"}), FULL, short)


def _wikitext2(losses: Mapping[str, str | At], also: Mapping[str, str] = _NOTHING) -> Table:
    listed = Listed(
        Recurrent(),
        WIKITEXT2,
        key=["recipe"],
        read=from_texts,
        columns={**losses, "params": "num_params", **also},
    )
    return _task(listed, NETWORKS, "wikitext2", "WikiText-2")


def ptb() -> Table:
    """NAS-Bench-NLP on Penn Treebank, from the authors' training logs."""
    short = {n: _ptb({"val_loss": f"val_loss_epoch_{n}"}) for n in SHORT}
    return TwoTables(_ptb(_FINAL, {"wall_seconds": "wall_seconds"}), FULL, short)


def _ptb(losses: Mapping[str, str | At], also: Mapping[str, str] = _NOTHING) -> Table:
    listed = Listed(
        Recurrent(24, 3),
        PTB,
        key=["row"],
        read=from_bytes,
        columns={**losses, "params": "params", **also},
    )
    return _task(listed, None, "ptb", "Penn Treebank")


def _task(listed: Listed, networks: int | None, data_set: str, title: str) -> Table:
    return pool_task(
        listed,
        networks,
        name=f"nasbench-nlp-{data_set}",
        objectives={"val_loss": "min"},
        reported=[metric for metric in listed.columns if metric == "test_loss"],
        description=(
            f"NAS-Bench-NLP on {title}: loss per word in nats after the last epoch, mean of a "
            "network's trainings; parameters"
        ),
        citation=_CITATION,
        family="nasbench-nlp",
    )
