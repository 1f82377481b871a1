"""One study, one process: what is written, read back, and told to the optimiser."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import optuna
import pytest
import study_toys as toys
from sqlalchemy.exc import OperationalError

import optiproxy as op
from optiproxy.errors import InvalidValueError, StudyError
from optiproxy.hardware import Measurement
from optiproxy.methods import METHODS
from optiproxy.search import Optimizer
from optiproxy.study import Study
from optiproxy.study._storage import database
from optiproxy.study._storage import open as opening
from optiproxy.tasks.loading import load


def run(task=None, budget=12, **options):
    options.setdefault("method", "climber")
    study = Study(task or toys.task(), **options)
    study.run(budget)
    return study


def course(study):
    return [(r.architecture, r.metrics) for r in study.queries]


def test_equals_asking_and_telling_by_hand():
    study = run(seed=3)
    optimizer = toys.Climber(toys.SPACE, {"val": "max"}, seed=3)
    expected = []
    while len(expected) < 12:
        archs = optimizer.ask(3)
        metrics = [toys.task().query(a, seed=3).metrics for a in archs]
        optimizer.tell(archs, [{"val": m["val"], "cost": m["cost"]} for m in metrics])
        expected += zip(archs, metrics, strict=True)
    assert course(study) == expected
    assert study.best.architecture == optimizer.best.architecture


def test_two_seeds_differ_and_one_agrees():
    assert course(run(seed=1)) == course(run(seed=1))
    assert course(run(seed=1)) != course(run(seed=2))


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_stored_search_is_the_one_in_memory_and_can_be_read_back(tmp_path, kind):
    place = {"journal": tmp_path / "a b.journal", "sqlite": f"sqlite:///{tmp_path}/a.db"}[kind]
    stored = run(storage=place)
    again = Study(toys.task(), method="climber", storage=place)
    assert course(again) == course(stored) == course(run())
    assert again.seconds == stored.seconds
    assert again.budget == 12


def test_going_on_in_pieces_equals_one_run(tmp_path):
    place = tmp_path / "s.journal"
    for budget in (3, 6, 6, 12):
        study = run(budget=budget, storage=place)
    assert course(study) == course(run())


def test_the_optimiser_sees_no_reported_metric(monkeypatch):
    seen = []
    tell = toys.Climber.tell
    monkeypatch.setattr(
        toys.Climber, "tell", lambda self, a, r: (seen.extend(r), tell(self, a, r))[1]
    )
    run()
    assert seen
    assert all(set(result) == {"val", "cost"} for result in seen)


def test_what_optuna_sees(tmp_path):
    task = toys.task(constraints={"cost": "<= 16"})
    place = tmp_path / "s.journal"
    study = run(task, budget=6, storage=place, name="seen")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(place)))
    loaded = optuna.load_study(study_name="seen", storage=storage)
    assert loaded.direction == optuna.study.StudyDirection.MAXIMIZE
    identity = loaded.user_attrs["optiproxy:study"]
    assert identity["seed"] == 0
    assert identity["method"] == "climber"
    assert identity["version"] == op.__version__
    assert loaded.user_attrs["optiproxy:budget"] == 6
    assert len(loaded.trials) == 6
    for trial, record in zip(loaded.trials, study.queries, strict=True):
        assert trial.params == dict(record.architecture)
        assert trial.value == record.metrics["val"]
        assert trial.user_attrs["test"] == record.metrics["test"]
        violation = record.metrics["cost"] - 16
        assert trial.constraints["cost <= 16"] == violation
        assert trial.system_attrs["constraints"] == [violation]
        assert trial.user_attrs["optiproxy:feasible"] == record.feasible
    feasible = [r for r in study.queries if r.feasible]
    assert study.best.metrics["val"] == max(r.metrics["val"] for r in feasible)
    assert len(feasible) < 6


def test_several_objectives_have_a_front():
    task = toys.task(objectives={"val": "max", "cost": "max"})
    study = run(task, budget=30, method="random")
    points = [(r.metrics["val"], r.metrics["cost"]) for r in study.queries]
    front = {
        p for p in points
        if not any(q[0] >= p[0] and q[1] >= p[1] and q != p for q in points)
    }  # fmt: skip
    assert {(f.metrics["val"], f.metrics["cost"]) for f in study.pareto} == front
    assert 1 < len(front) < 30
    assert run().pareto == ()


def test_a_limit_that_nothing_meets_is_told_once():
    study = run(toys.task(constraints={"cost": "<= 5"}, noise="none"), budget=20)
    assert [d.kind for d in study.diagnoses] == ["constraint"]
    assert study.notes == [str(study.diagnoses[0])]
    assert "20 of the last 20 results break cost <= 5; the nearest to it" in study.notes[0]
    study.run(21)
    assert len(study.notes) == 1
    assert run(budget=20).diagnoses == []


def test_a_text_beside_the_metrics_is_told_once():
    study = run(toys.task(lambda arch: {"val": toys.score(arch), "host": "a"}), budget=5)
    assert [r.metrics for r in study.queries] == [
        {"val": toys.score(r.architecture)} for r in study.queries
    ]
    assert study.notes == ["'host' is no number in some evaluations; it is left out there"]


def test_failures_are_recorded_told_and_counted(tmp_path):
    told = []

    class Listener(toys.Climber):
        def restore(self, pairs, pending=()):
            told[:] = pairs
            super().restore(told, pending)

    toys.Listener = Listener
    METHODS.register("listener", "study_toys:Listener")
    study = run(toys.task(toys.moody), budget=24, method="listener", storage=tmp_path / "s.journal")
    assert len(study.queries) == 24
    failed = [r for r in study.queries if r.metrics is None]
    assert {r.reason for r in failed} == {"RuntimeError: out of memory", "val is nan"}
    assert all(not r.feasible for r in failed)
    assert [a for a, result in told if result is None] == [
        r.architecture for r in failed if r.query <= len(told)
    ]
    assert study.best.architecture["norm"] is None


def test_a_search_in_which_all_fails_ends_and_says_so():
    def broken(arch):
        raise ValueError("no such file: data.npy")

    study = Study(toys.task(broken), method="climber")
    study.run(14, max_failures=0)
    assert len(study.queries) == 14
    assert study.best is None
    assert study.notes == [
        "no evaluation succeeded (3 so far, 3 of them: ValueError: no such file: data.npy)",
        "no evaluation succeeded (14 so far, 14 of them: ValueError: no such file: data.npy)",
    ]


def test_an_exhausted_space_ends_the_search_with_a_note():
    study = run(method="random", budget=1000)
    assert len({r.architecture for r in study.queries}) == len(study.queries) == toys.SPACE.count
    assert "96 queries" in study.notes[0]
    assert len(study.notes) == 1


def test_the_long_form_takes_what_a_task_takes(tmp_path):
    def evaluate(arch, epochs):
        return {"val": toys.score(arch), "test": epochs}

    options = {
        "objectives": "val=max", "reported": ["test"], "fidelities": (2, 20), "distinct": False,
        "description": "a toy",
    }  # fmt: skip
    long = Study("one", toys.SPACE, evaluate, method="random", storage=tmp_path / "s", **options)
    long.run(3)
    assert (long.task.fidelities, long.task.distinct, long.task.description) == (
        (2, 20), False, "a toy",
    )  # fmt: skip
    keywords = Study(name="one", space=toys.SPACE, evaluate=evaluate, method="random", **options)
    keywords.run(3)
    short = Study(long.task, name="one", method="random", storage=tmp_path / "s")
    assert course(short) == course(long) == course(keywords)
    assert Study(long.task, method="random").name == "one-random-0"
    earlier_spelling = getattr(Study, "of")(long.task, name="one", method="random")  # noqa: B009
    earlier_spelling.run(3)
    assert course(earlier_spelling) == course(short)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("one",), {}),
        ((), {"name": "one"}),
        ((3,), {}),
    ],
)
def test_a_study_of_no_task_names_the_two_forms(arguments, options):
    with pytest.raises(InvalidValueError, match=r"give a Task.* or a name, a space and an eval"):
        Study(*arguments, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "name"),
    [((), {"sed": 3}, "sed: got 3"), ((), {"objectives": "val=max"}, "objectives: got 'val=max'"),
     ((toys.SPACE,), {}, "space")],
)  # fmt: skip
def test_what_a_task_has_is_not_given_beside_it(arguments, options, name):
    with pytest.raises(InvalidValueError, match=f"Study: {name}.* beside a Task .* seed and"):
        Study(toys.task(), *arguments, **options)


def test_a_name_must_be_a_text():
    with pytest.raises(InvalidValueError, match="study: name: got 3"):
        Study(toys.task(), name=3)


def test_a_bare_number_and_the_seed_of_an_evaluation():
    seeds = {}

    def evaluate(arch, seed):
        seeds[arch] = seed
        return 1.0

    study = Study("bare", toys.SPACE, evaluate, objectives="val=max", method="random", seed=5)
    study.run(4)
    assert len(set(seeds.values())) == 4
    assert study.queries[0].metrics == {"val": 1.0}
    task = op.Task("bare", toys.SPACE, evaluate, objectives="val=max")
    for arch, seed in list(seeds.items()):
        task.query(arch, seed=5)
        assert seeds[arch] == seed


def test_a_frame_has_one_row_a_query():
    frame = run(toys.task(toys.moody)).dataframe()
    assert list(frame["query"]) == list(range(1, 13))
    assert {"depth", "width", "norm", "skip", "val", "test", "feasible", "failed"} <= set(frame)
    assert frame["val"].isna().any()
    assert Study(toys.task(), method="random").dataframe().empty


def test_a_frame_keeps_names_that_stand_twice():
    space = op.spaces.Chain({"query": [4, 8], "value": [2]})  # of an attention, say
    found = {"val": 1.0, "value": 3.0, "failed": 5.0}
    study = Study("names", space, lambda arch: found, objectives="val=max", method="random")
    study.run(2)
    frame = study.dataframe()
    assert list(frame["query"]) == [1, 2]
    assert sorted(frame["choice:query"]) == [4, 8]
    assert list(frame["value"]) == [2, 2]
    assert list(frame["metric:value"]) == [3, 3]
    assert list(frame["metric:failed"]) == [5, 5]


def test_the_callback_hears_each_result_once():
    heard = []
    study = Study(toys.task(), method="climber")
    study.run(4, callback=heard.append)
    study.run(7, callback=heard.append)
    assert [r.query for r in heard] == [1, 2, 3, 4, 5, 6, 7]
    assert [r.metrics for r in heard] == [r.metrics for r in study.queries]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"method": "random"}, "method: 'climber' there, 'random' here"),
    ],
)
def test_a_stored_study_is_not_continued_as_another(tmp_path, options, said):
    place = tmp_path / "s.journal"
    run(storage=place, name="one", budget=3)
    with pytest.raises(StudyError, match="another search") as caught:
        Study(toys.task(), name="one", storage=place, **{"method": "climber", **options})
    assert said in str(caught.value)


def test_nor_with_another_space_or_objective(tmp_path):
    place = tmp_path / "s.journal"
    run(storage=place, name="one", budget=3)
    space = op.spaces.Chain({**toys.SPACE.choices, "depth": [1, 2, 3]})
    other = op.Task("toy", space, toys.plain, objectives={"val": "max"}, reported=["test"])
    said = r"space: choice 'depth' has 1, 2, 3, 4 there, 1, 2, 3 here\)"
    with pytest.raises(StudyError, match=said):
        Study(other, name="one", storage=place, method="climber")
    choices = {"act": ["relu", "gelu"], **dict(list(toys.SPACE.choices.items())[1:])}
    space = op.spaces.Chain(choices)
    other = op.Task("toy", space, toys.plain, objectives={"val": "max"}, reported=["test"])
    with pytest.raises(StudyError, match="choice 'depth' is there alone; choice 'act' is here"):
        Study(other, name="one", storage=place, method="climber")
    for task in (toys.task(objectives={"cost": "min"}), toys.task(constraints={"cost": "<= 9"})):
        with pytest.raises(StudyError, match="cost"):
            Study(task, name="one", storage=place, method="climber")


def conditional(when=("conv",), where=("width >= 16",), step=1):
    return op.spaces.Conditional(
        {
            "op": ["conv", "pool", "none"],
            "width": [8, 16, 32],
            "kernel": [3, 5],
            "batch": op.spaces.Int(1, 9, step=step),
        },
        when={"kernel": {"op": list(when)}},
        where=where,
    )


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"when": ["conv", "pool"]}, "'kernel' exists where op is conv there, where op is conv or"),
        ({"where": ["width >= 8 * 2"]}, "the rule 'width >= 16' is there alone; the rule 'width >"),
        ({"step": 2}, r"'batch' has Int(low=1, high=9) there, Int(low=1, high=9, step=2) here"),
    ],
)
def test_a_space_of_other_rules_is_told_by_what_differs(tmp_path, other, said):
    def made(space):
        task = op.Task("toy", space, lambda arch: 1.0, objectives={"val": "max"})
        return Study(task, name="one", storage=tmp_path / "s.journal", method="random")

    made(conditional())  # Also before its first query.
    made(conditional())
    with pytest.raises(StudyError, match="another search") as caught:
        made(conditional(**other))
    assert said in str(caught.value)
    assert "fingerprint" not in str(caught.value)


def test_nor_a_study_of_somebody_else(tmp_path):
    url = f"sqlite:///{tmp_path}/theirs.db"
    optuna.create_study(storage=url, study_name="one").optimize(
        lambda t: t.suggest_float("x", 0, 1), 1
    )
    with pytest.raises(StudyError, match="not made by OptiProxy"):
        Study(toys.task(), name="one", storage=url, method="climber")


@pytest.mark.parametrize("bad", [0, -1, 2.5, True, "9"])
def test_a_bad_budget_or_number_of_workers_spends_nothing(bad):
    study = Study(toys.task(), method="random")
    with pytest.raises(InvalidValueError, match="budget"):
        study.run(bad)
    with pytest.raises(InvalidValueError, match="workers"):
        study.run(5, workers=bad)
    assert study.queries == ()


def test_a_callback_that_can_not_be_called_spends_nothing():
    study = Study(toys.task(), method="random")
    with pytest.raises(InvalidValueError, match="callback: got 3"):
        study.run(3, callback=3)
    assert not study.queries


def test_bad_names_are_told_with_the_nearest(tmp_path):
    with pytest.raises(InvalidValueError, match="did you mean 'random'"):
        Study(toys.task(), method="randon")
    with pytest.raises(InvalidValueError, match="method 'random' has none"):
        Study(toys.task(), method="random", proxy="gp")
    with pytest.raises(InvalidValueError, match="seed"):
        Study(toys.task(), method="random", seed=-1)
    run(storage=tmp_path / "s.journal", name="edge-cell", budget=3)
    with pytest.raises(StudyError, match="did you mean 'edge-cell'"):
        Study.load("edge-sell", tmp_path / "s.journal")
    with pytest.raises(StudyError, match="made in a program"):
        Study.load("edge-cell", tmp_path / "s.journal")


def test_a_task_file_that_was_changed_is_told_and_its_queries_are_kept(tmp_path, caplog):
    file, storage = tmp_path / "mine.py", tmp_path / "s.journal"
    file.write_text(
        "import optiproxy as op\n"
        "space = op.spaces.Chain({'a': list(range(9))})\n"
        "task = op.Task('mine', space, lambda arch: arch['a'], objectives='x=max')\n"
    )
    study = Study(load(f"{file}:task"), method="random", storage=storage, name="s")
    study.run(2)
    Study.load("s", storage).run(3)
    assert not caplog.records
    file.write_text(file.read_text().replace("arch['a'],", "-arch['a'],"))
    study = Study.load("s", storage)
    study.run(3)  # nothing is left to do, and it is told all the same
    study.run(6)
    [warning] = [record.getMessage() for record in caplog.records]
    assert warning.startswith("the file of task 'mine' has changed since this study was begun")
    assert study.notes == [warning]
    values = [record.metrics["x"] for record in study.queries]
    assert min(values[:3]) >= 0 >= max(values[3:])


def test_storage_that_is_none(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("shopping\n")
    for place, said in [
        (text, "not a study file"),
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "s.journal", "no folder"),
        ("nosuch://host/db", "can't be opened"),
        (f"sqlite:///{tmp_path}/no/s.db", "can't be opened"),
    ]:
        with pytest.raises(StudyError, match=said):
            Study(toys.task(), method="random", storage=place)
    assert text.read_text() == "shopping\n"
    with pytest.raises(StudyError, match="no file"):
        Study.load("x", tmp_path / "missing.journal")
    assert not (tmp_path / "missing.journal").exists()


@pytest.mark.parametrize(
    ("reason", "attempts"),
    [
        ("table trials already exists", 4),
        ("UNIQUE constraint failed: alembic_version.version_num", 4),
        ("disk I/O error", 2),
    ],
)
def test_tables_that_another_process_makes_are_waited_for(tmp_path, monkeypatch, reason, attempts):
    opened: list[str] = []

    def busy(url, **options):
        opened.append(url)
        if len(opened) < 4:
            raise OperationalError("CREATE TABLE trials", {}, Exception(reason))
        return optuna.storages.RDBStorage(url, **options)

    monkeypatch.setattr(database, "RDBStorage", busy)
    monkeypatch.setattr(database.time, "sleep", lambda seconds: None)
    url = f"sqlite:///{tmp_path}/s.db"
    if attempts < 4:
        with pytest.raises(StudyError, match=reason):
            Study(toys.task(), method="random", storage=url)
    else:
        Study(toys.task(), method="random", storage=url)
    assert len(opened) == attempts


def test_passwords_are_in_no_message(tmp_path):
    with pytest.raises(StudyError, match=r"nosuch://me:\*\*\*@host/db") as told:
        Study(toys.task(), method="random", storage="nosuch://me:secret@host/db")
    assert "secret" not in str(told.value)
    assert opening.shown(None) == "memory"
    assert opening.shown(tmp_path / "a b.journal") == str(tmp_path / "a b.journal")


def test_a_half_written_last_line_is_cut_off(tmp_path):
    place = tmp_path / "s.journal"
    run(storage=place, budget=6)
    whole = place.read_bytes()
    place.write_bytes(whole + b'{"op_code":8,"worker_id":"x","tri')
    assert course(run(storage=place)) == course(run())


def test_optuna_tells_nothing_and_keeps_its_level(capfd):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    run()
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert capfd.readouterr() == ("", "")


def test_it_shows_what_it_is():
    study = Study(toys.task(), method="random", seed=np.int64(1))
    assert repr(study) == f"Study({study.name!r} in memory, 0 queries)"
    study.run(np.int64(2))
    assert repr(study).endswith(f"2 queries, best {study.best.metrics})")


def test_what_is_no_task_and_no_storage_is_told():
    with pytest.raises(InvalidValueError, match="Study: task: got 3; give a Task"):
        Study(3)
    with pytest.raises(InvalidValueError, match="storage: got 3; give a path"):
        Study(toys.task(), storage=3)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["optiproxy", "evolution", "climber"])
@pytest.mark.parametrize("budgets", [(11,), (12,), (4, 11, 14, 15)])
def test_a_raised_budget_gives_the_search_that_had_it_at_once(method, budgets, tmp_path):
    whole = run(budget=18, method=method, seed=1)
    for budget in (*budgets, 18):
        study = run(budget=budget, method=method, seed=1, storage=tmp_path / "s.journal")
        assert len(study.queries) == budget
    assert course(study) == course(whole)


def test_a_method_that_proposes_what_is_known_is_told(tmp_path):
    class Forgetful(toys.Climber):
        def _propose(self, n, rng):
            return self.space.random_indices(n, np.random.default_rng(0))

    toys.Forgetful = Forgetful
    METHODS.register("forgetful", "study_toys:Forgetful")
    with pytest.raises(InvalidValueError, match=r"Forgetful proposes .* `_propose` must return"):
        run(budget=12, method="forgetful", storage=tmp_path / "s.journal")


@pytest.mark.parametrize("rows", [None, [0, 1, 2, 0], np.zeros((1, 3), dtype=int)])
def test_a_method_that_proposes_no_rows_is_told(rows):
    class Careless(Optimizer):
        def _propose(self, n, rng):
            return rows

    with pytest.raises(InvalidValueError, match=r"Careless proposes .* an array \(n, 4\)"):
        Careless(toys.SPACE, "val=max").ask(2)


def test_an_exception_that_can_not_say_what_it_is_is_a_failure_too():
    class Weird(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    def evaluate(arch):
        raise Weird

    study = run(toys.task(evaluate), budget=3)
    assert [r.reason for r in study.queries] == ["Weird: "] * 3


def test_a_failure_that_names_an_odd_file_can_be_reported(tmp_path):
    def evaluate(arch):
        if arch["skip"]:
            raise op.EvaluationFailed("bad \udcff name")
        return {"val": 1.0, "cost": 1.0}

    study = run(toys.task(evaluate), budget=8)
    assert "bad \\udcff name" in {r.reason for r in study.queries}
    study.report(tmp_path / "report.html")


def test_what_is_no_executor_is_told_and_one_that_is_over_too():
    with pytest.raises(InvalidValueError, match="executor: got 3; give one with a method"):
        Study(toys.task()).run(5, executor=3, workers=2)
    over = ThreadPoolExecutor(2)
    over.shutdown()
    with pytest.raises(StudyError, match="executor: it takes no work"):
        Study(toys.task()).run(5, executor=over)


def test_a_guide_that_is_only_reported_is_told_with_a_remedy():
    with pytest.raises(InvalidValueError, match="take it out of `reported`"):
        op.Task("t", toys.SPACE, len, objectives="s=max", reported=["s"])


@pytest.mark.slow
def test_an_evaluator_may_start_processes_in_a_worker():
    def evaluate(arch):
        process = multiprocessing.Process(target=int)
        process.start()
        process.join()
        return {"val": float(process.exitcode == 0)}

    study = Study(toys.task(evaluate))
    study.run(2, workers=2)
    assert [query.metrics["val"] for query in study.queries] == [1.0, 1.0]


def exits():
    sys.exit(3)


def fails():
    raise op.EvaluationFailed("in the child")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("ends", "code"),
    [
        (sys.exit, 0),
        (dict, 0),
        pytest.param(exits, 3, marks=pytest.mark.slow),
        pytest.param(fails, 1, marks=pytest.mark.slow),
    ],
)
def test_an_evaluator_s_fork_ends_where_the_evaluator_does(workers, ends, code):
    def evaluate(arch):
        if (child := os.fork()) == 0:
            return ends()
        return {"val": float(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))}

    study = Study(toys.task(evaluate))
    study.run(3, workers=workers)
    assert [query.metrics["val"] for query in study.queries] == [code] * 3


def test_numbers_of_numpy_in_a_measurement_are_kept(tmp_path):
    def evaluate(arch):
        measured = Measurement(latency_ms=np.float32(2.5), repeats=np.int64(7), device="board")
        return {"val": 1.0, "latency_ms": measured}

    study = Study(toys.task(evaluate), storage=tmp_path / "s.journal", method="random")
    study.run(2)
    assert [query.metrics["latency_ms"] for query in study.queries] == [2.5, 2.5]
    assert study.queries[0].measured["latency_ms"]["repeats"] == 7


def test_a_limit_in_percent_leaves_the_same_search_the_same():
    one = Study(toys.task(), seed=1).identity
    other = dataclasses.replace(Study(toys.task(), seed=2).identity, asked=["val <= 60.0%"])
    assert one.same_but_seed(other)
    assert not one.same_but_seed(dataclasses.replace(other, method="random"))
