"""``optiproxy search``."""

from __future__ import annotations

from typing import Annotated

from optiproxy.cli._evaluation import DEFAULT, Evaluation
from optiproxy.cli._groups import HOW, LIMITS, WHAT, WHERE


def search(
    task: str,
    /,
    *,
    budget: Annotated[int, LIMITS] = 100,
    cheap_budget: Annotated[int | None, LIMITS] = None,
    confirm: Annotated[int | None, LIMITS] = None,
    method: Annotated[str, HOW] = "optiproxy",
    proxy: Annotated[str | None, HOW] = None,
    seed: Annotated[int, HOW] = 0,
    objective: Annotated[list[str] | None, WHAT] = None,
    constraint: Annotated[list[str] | None, LIMITS] = None,
    storage: Annotated[str | None, WHERE] = None,
    name: Annotated[str | None, WHERE] = None,
    measure: Annotated[str | None, WHAT] = None,
    low_fidelity: Annotated[int | None, HOW] = None,
    warm_start: Annotated[list[str] | None, HOW] = None,
    features: Annotated[str | None, HOW] = None,
    how: Evaluation = DEFAULT,
    retrain: Annotated[bool, WHERE] = False,
    json: Annotated[bool, WHERE] = False,
) -> int:
    """Searches for the best architecture of a task.

    The search of a task that trains is stored in a journal file, that of a table is in memory.

    Args:
        task: A name of `optiproxy tasks`, or your own: my_module:task, or path/to/mine.py:task.
        budget: How many architectures are evaluated, failed ones included.
        cheap_budget: How many architectures may be measured, if limits are measured before the
            training (--measure, or the task's own cheap metrics); one that breaks a limit is not
            trained and is no query. The search stops there; by default ten times the budget.
        confirm: How many evaluations of the budget, the last ones, train what may be the best again
            with other seeds: the best is then by its mean. By default a twentieth of the budget
            where the task says that trainings may be repeated, else 0 (see docs/noise.md).
        method: One of {methods}. boosted, nsga2-pymoo and smac are there where scikit-learn, pymoo
            and smac are installed; optiproxy methods tells of all. path/to/mine.py:Method is your
            own.
        proxy: The model behind optiproxy: {proxies}; by default auto. gp: and mlp: with the name of
            an encoding ({encodings}) read that encoding alone. path/to/mine.py:Proxy is your own.
        seed: The same seed gives the same search.
        objective: METRIC=max or METRIC=min, instead of the task's own; may be repeated.
        constraint: METRIC<=NUMBER, METRIC>=NUMBER or METRIC<=60% (in quotes); may be repeated.
        storage: A journal file (runs.journal) or a database (sqlite:///runs.db, postgresql://…).
        name: The study's name; by default TASK-METHOD-SEED.
        measure: Each network is measured before its training: onnx or torch on this machine, or a
            command for another device, such as "ssh pi measure.sh {onnx}", that prints JSON with
            at least latency_ms (see docs/hardware.md). One that breaks a limit is not trained.
        low_fidelity: Epochs of low-fidelity trainings, which come first and guide the search, for
            a task that has fidelities; each costs a fraction of a full training, and the most
            promising architectures are then trained in full.
        warm_start: An earlier search to learn from: the name of a study, also of another space
            with similar operations, or a file that `search --json` wrote; may be repeated.
        features: Scores of untrained networks that guide the first queries (see docs/scores.md):
            auto, none, or names such as parameters,naswot. By default auto for a task that trains
            networks, none for a table.
        how: How architectures are evaluated.
        retrain: Trains the best network again in the end, if its evaluator kept none.
        json: Prints exactly one JSON object on standard output.
    """
    import os

    from optiproxy.cli._quiet_stdout import quiet_stdout
    from optiproxy.cli._run_study import run_study
    from optiproxy.cli._study_command import default_storage
    from optiproxy.cli._trust import remember
    from optiproxy.cli._warm_start import earlier_searches
    from optiproxy.errors import whole_number
    from optiproxy.study import Study, check_cheap_budget, check_confirm, default_name
    from optiproxy.tasks import load

    whole_number("budget", budget)
    with quiet_stdout():  # A task file may print.
        loaded = load(task).replaced(
            objective, constraint, measure, low_fidelity, features=features
        )
        if cheap_budget is not None:
            check_cheap_budget(loaded, cheap_budget, cheap_budget, budget)
        if confirm is not None:
            check_confirm(loaded, confirm, None, budget)
        loaded.prepare()  # Missing data are reported before a file is created.
        loaded.validate()
        name = name or default_name(loaded, method, seed)
        if storage is None and not loaded.in_memory:
            storage = default_storage(name)
        earlier = earlier_searches(warm_start or [], storage)
    with how.arguments(loaded) as evaluation:
        with quiet_stdout():
            study = Study(
                loaded,
                name=name,
                method=method,
                proxy=proxy,
                storage=storage,
                seed=seed,
                warm_start=earlier,
            )
        if study.storage is not None:
            remember(os.fspath(study.storage), study.code)
        options = {**evaluation, "cheap_budget": cheap_budget, "confirm": confirm}
        return run_study(study, budget, options, retrain=retrain, json=json)
