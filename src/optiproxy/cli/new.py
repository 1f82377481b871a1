"""``optiproxy new``."""

from __future__ import annotations


def new(
    name: str,
    task: str = "",
    /,
    *,
    storage: str | None = None,
    budget: int = 100,
    method: str = "optiproxy",
    proxy: str | None = None,
    seed: int = 0,
    objective: list[str] | None = None,
    constraint: list[str] | None = None,
    schema: bool = False,
) -> int:
    """Begins a search whose queries other programs evaluate, by ask and tell.

    The same command again opens it, and raises its budget if that is larger.

    Args:
        name: The study's name.
        task: A JSON file with the space, the objectives and the limits (space.json, see --schema),
            or a task as of optiproxy search, whose evaluator is not used.
        storage: A journal file (runs.journal) or a database (sqlite:///runs.db, postgresql://…)
            that all programs reach; by default ./NAME.journal.
        budget: How many architectures are evaluated, failed ones included.
        method: optiproxy, or a baseline; see optiproxy search --help.
        proxy: The model behind optiproxy; see optiproxy search --help.
        seed: The same seed, and the same answers in the same order, give the same search.
        objective: METRIC=max or METRIC=min, instead of the task's own; may be repeated.
        constraint: METRIC<=NUMBER or METRIC>=NUMBER (in quotes); may be repeated.
        schema: Prints the JSON Schema of such a file, and begins nothing.
    """
    import json

    from optiproxy.cli._programs import begun
    from optiproxy.cli._quiet_stdout import quiet_stdout
    from optiproxy.cli._say import say
    from optiproxy.errors import InvalidValueError
    from optiproxy.tasks import definition, load

    if schema:
        print(json.dumps(definition.schema(), indent=2, ensure_ascii=False))
        return 0
    if not task:
        raise InvalidValueError("task: is missing; give a JSON file, or a task as of search")
    with quiet_stdout():  # A task file may print.
        found = load(task).replaced(objective, constraint)
        study = begun(name, found, storage, budget, method=method, proxy=proxy, seed=seed)
    say(f"{name} in {study.place}: {len(study.queries)} of {study.budget} queries")
    return 0
