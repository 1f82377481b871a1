"""NAS-Bench-NLP: recurrent cells on WikiText-2 and Penn Treebank, looked up.

The loss (cross-entropy per word, in nats) on the validation text after the last epoch guides, and
is minimised; the one on the test text is only reported. Both are means over a network's trainings.
The tables are samples of a vast space, so the tasks are pools. Recipes that are the same network in
another numbering count as one: WikiText-2's 345 trainings are of 265 networks.

Reference: Klyuchnikov et al., NAS-Bench-NLP, IEEE Access 10, 2022, https://arxiv.org/abs/2006.07116.
"""

from __future__ import annotations

from optiproxy.spaces import Recurrent
from optiproxy.tasks._listed import Listed, from_bytes, from_texts, pool_task
from optiproxy.tasks.table import Table

WIKITEXT2, PTB = "nasbench_nlp_wikitext2", "nasbench_nlp_ptb"
NETWORKS = 265

_CITATION = (
    "Klyuchnikov et al., NAS-Bench-NLP, IEEE Access 10, 2022, https://arxiv.org/abs/2006.07116"
)


def wikitext2() -> Table:
    """NAS-Bench-NLP on WikiText-2."""
    listed = Listed(
        Recurrent(),
        WIKITEXT2,
        key=["recipe"],
        read=from_texts,
        columns={
            "val_loss": "final_val_loss",
            "test_loss": "final_test_loss",
            "params": "num_params",
            "wall_seconds": "wall_seconds",
        },
    )
    return _task(listed, NETWORKS, "wikitext2", "WikiText-2")


def ptb() -> Table:
    """NAS-Bench-NLP on Penn Treebank, from the authors' training logs."""
    listed = Listed(
        Recurrent(24, 3),
        PTB,
        key=["row"],
        read=from_bytes,
        columns={
            "val_loss": "final_val_loss",
            "test_loss": "final_test_loss",
            "params": "params",
            "wall_seconds": "wall_seconds",
        },
    )
    return _task(listed, None, "ptb", "Penn Treebank")


def _task(listed: Listed, networks: int | None, data_set: str, title: str) -> Table:
    return pool_task(
        listed,
        networks,
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
