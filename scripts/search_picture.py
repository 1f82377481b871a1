"""Draws docs/figures/search.svg, the picture of a search in the README.

    python scripts/search_picture.py

The search of the embedded table, which needs no data, with seed 0, under a limit on the parameters.
"""

from pathlib import Path

import optiproxy as op

FILE = Path(__file__).parents[1] / "docs" / "figures" / "search.svg"

task = op.load("mnist1d-table").replaced(constraints="params<=50%")
study = op.Study(task, seed=0)
study.run(budget=60)
limit = study.task.constraints[0].text
op.report.search_figure(
    [query.plain() for query in study.queries],
    FILE,
    objective="val_accuracy",
    constraints=[limit],
    title="optiproxy search mnist1d-table --budget 60 --constraint 'params<=50%'",
)
print(limit, study.best.metrics, study.best.query)
