"""``optiproxy search``."""

from __future__ import annotations


def search(
    task: str,
    /,
    *,
    budget: int = 100,
    cheap_budget: int | None = None,
    method: str = "optiproxy",
    proxy: str | None = None,
    seed: int = 0,
    objective: list[str] | None = None,
    constraint: list[str] | None = None,
    storage: str | None = None,
    name: str | None = None,
    workers: int | None = None,
    dask: str | None = None,
    measure: str | None = None,
    low_fidelity: int | None = None,
    warm_start: list[str] | None = None,
    json: bool = False,
) -> int:
    """Searches for the best architecture of a task.

    A task that trains for real is kept in a journal file; a published table's search in memory.

    Args:
        task: A name of `optiproxy tasks`, or your own: my_module:task, or path/to/mine.py:task.
        budget: How many architectures are evaluated, failed ones included.
        cheap_budget: How many architectures may be measured in the end, where a limit is measured
            before a training (--measure, or the task's own cheap metrics) and what breaks it is not
            trained and no query; by default ten times the budget. The search stops there.
        method: optiproxy, or a baseline: paper (as its authors published it), random, evolution,
            local, bananas, npenas, tpe, gpsampler, nsga2; and nsga2-pymoo and smac where pymoo and
            smac are installed.
        proxy: The model behind optiproxy: auto, gp, gcn, mlp or transformer; by default auto.
            gp:onehot, gp:active_path, gp:adjacency, gp:path, and mlp: with the same, read one
            encoding alone.
        seed: The same seed gives the same search.
        objective: METRIC=max or METRIC=min, instead of the task's own; may be given several times.
        constraint: METRIC<=NUMBER, METRIC>=NUMBER or METRIC<=60% (in quotes); may be repeated.
        storage: A journal file (runs.journal) or a database (sqlite:///runs.db, postgresql://…).
        name: The study's name; by default made of the task, the method and the seed.
        workers: How many evaluations run at once: by default 1, and with --dask one for each of the
            cluster's threads.
        dask: The address of a Dask scheduler (tcp://…) whose workers evaluate.
        measure: Each network is measured before its training: onnx or torch on this machine, or a
            command for another device, such as "ssh pi measure.sh {onnx}", that prints JSON with
            at least latency_ms (see docs/hardware.md). One that breaks a limit is not trained.
        low_fidelity: Epochs of short trainings that come first and guide the search, for a task
            that has them; they cost their part of the budget, and the best is trained in full.
        warm_start: An earlier search of the same space that this one learns from: the name of a
            study in the same storage, or a file that `search --json` wrote; may be given several
            times.
        json: Prints exactly one JSON object on standard output.
    """
    from optiproxy.cli._executors import evaluators
    from optiproxy.cli._quiet_stdout import kept_for_the_answer
    from optiproxy.cli._run_study import conduct, default_storage
    from optiproxy.cli._warm_start import earlier_searches
    from optiproxy.errors import whole_number
    from optiproxy.study import Study
    from optiproxy.study._checks import check_cheap_budget
    from optiproxy.study._storage.identity import default_name
    from optiproxy.tasks import load

    whole_number("budget", budget)
    if workers is not None:
        whole_number("workers", workers)
    with kept_for_the_answer():  # A user's file may print when it is read.
        loaded = load(task).replaced(objective, constraint, measure, low_fidelity)
        if cheap_budget is not None:
            check_cheap_budget(loaded, cheap_budget, cheap_budget, budget)
        loaded.prepare()  # Data that are missing are told before a file is made.
        loaded.validate()
        name = name or default_name(loaded, method, seed)
        if storage is None and not loaded.in_memory:
            storage = default_storage(name)
        earlier = earlier_searches(warm_start or [], storage)
    with evaluators(dask, workers) as (executor, at_once):
        with kept_for_the_answer():
            study = Study.of(
                loaded,
                name=name,
                method=method,
                proxy=proxy,
                storage=storage,
                seed=seed,
                warm_start=earlier,
            )
        return conduct(
            study, budget, at_once, cheap_budget=cheap_budget, executor=executor, json=json
        )
