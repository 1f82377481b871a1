"""``optiproxy resume``."""

from __future__ import annotations

from typing import Annotated

from optiproxy.cli._evaluation import DEFAULT, Evaluation
from optiproxy.cli._groups import LIMITS, WHERE


def resume(
    name: str,
    /,
    *,
    storage: Annotated[str | None, WHERE] = None,
    budget: Annotated[int | None, LIMITS] = None,
    cheap_budget: Annotated[int | None, LIMITS] = None,
    how: Evaluation = DEFAULT,
    retrain: Annotated[bool, WHERE] = False,
    json: Annotated[bool, WHERE] = False,
) -> int:
    """Continues a stored search, also after a crash.

    Finished queries are kept, interrupted ones are repeated.

    Args:
        name: The study's name.
        storage: Where it is stored; by default ./NAME.journal.
        budget: How many queries it has in the end; by default as many as it was begun with.
        cheap_budget: How many architectures may be measured in the end, including those that break
            a limit and are not trained; by default as many as it was begun with.
        how: How architectures are evaluated.
        retrain: Trains the best network again in the end, if its evaluator kept none.
        json: Prints exactly one JSON object on standard output.
    """
    from optiproxy.cli._run_study import run_study
    from optiproxy.cli._trust import stored_study
    from optiproxy.errors import whole_number

    if budget is not None:
        whole_number("budget", budget)
    study = stored_study(name, storage)
    total = budget or study.budget or 100
    with how.arguments(study.task) as evaluation:
        return run_study(
            study, total, {**evaluation, "cheap_budget": cheap_budget}, retrain=retrain, json=json
        )
