"""Tasks of a model: what the evaluator gets, and what its networks cost."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import optiproxy as op
from optiproxy.errors import InvalidValueError
from optiproxy.nn import Choice, Choose
from optiproxy.tasks import evaluation_seed


def network(choose: Choose) -> nn.Module:
    width = choose("width", [4, 8])
    layers: list[nn.Module] = [nn.Linear(3, width), nn.ReLU()]
    for i in range(choose("depth", [0, 1, 2])):
        layers += [nn.Linear(width, width), choose(f"act{i}", {"relu": nn.ReLU, "tanh": nn.Tanh})()]
    return nn.Sequential(*layers, nn.Linear(width, 2))


def first_weight(model: nn.Module) -> dict[str, float]:
    return {"y": float(next(model.parameters()).detach().sum())}


def example_input() -> torch.Tensor:
    return torch.zeros(1, 3)


TASK = op.Task("mine", network, first_weight, objectives={"y": "max"}, example_input=example_input)
ARCH = TASK.space.architecture({"width": 8, "depth": 1, "act0": "tanh"})


def test_the_evaluator_gets_the_network_with_weights_fixed_by_the_seed() -> None:
    state = torch.random.get_rng_state()
    values = [TASK.query(ARCH, seed=seed).metrics or {} for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert values[0] == values[1]
    assert values[0]["y"] != values[2]["y"]
    assert TASK.train is not None
    trained = TASK.train(ARCH, evaluation_seed(1, ARCH))
    assert first_weight(trained)["y"] == values[2]["y"]
    assert type(trained[3]) is nn.Tanh


def test_costs_are_exact_metrics() -> None:
    metrics = TASK.query(ARCH).metrics or {}
    params = 3 * 8 + 8 + 8 * 8 + 8 + 8 * 2 + 2
    assert metrics["params"] == params
    assert metrics["weights_mb"] == params * 4e-6
    assert metrics["flops"] == 2 * (3 * 8 + 8 * 8 + 8 * 2)
    assert metrics["activations"] == 8 + 8 + 2
    # Input, first layer and its ReLU are in use together: torch.nn.Sequential drops none sooner.
    assert params * 4 + 4 * (3 + 8 + 8) <= metrics["memory_mb"] * 1e6 <= params * 4 + 4 * 4 * 8


def test_an_example_input_that_does_not_fit_is_named(caplog: pytest.LogCaptureFixture) -> None:
    def task(**keywords: Any) -> op.Task:
        return op.Task(
            "mine", network, first_weight, objectives={"y": "max"},
            example_input=torch.zeros(1, 4), features="none", **keywords,
        )  # fmt: skip

    study = op.Study(task(), method="random")
    study.run(budget=2)
    assert study.best is not None
    assert study.best.metrics.keys() == {"y", "params", "weights_mb"}
    (warning,) = (r.getMessage() for r in caplog.records if "counted" in r.getMessage())
    assert warning.startswith("flops, activations, memory_mb of {")
    assert "example_input: the network fails on it: RuntimeError: mat1 and mat2 shapes" in warning
    for limit in ("flops <= 1000", "flops <= 50%"):
        with pytest.raises(InvalidValueError, match="example_input: the network fails on it") as e:
            op.Study(task(constraints=limit), method="random").run(budget=2)
        assert "give one input of the network" in str(e.value)
        assert "give a function" not in str(e.value)


def test_a_function_of_the_example_input_that_fails_is_named() -> None:
    def example() -> torch.Tensor:
        raise FileNotFoundError("no batch.pt")

    task = op.Task(
        "mine", network, first_weight, objectives={"y": "max"}, constraints="flops <= 1000",
        example_input=example, features="none",
    )  # fmt: skip
    with pytest.raises(InvalidValueError, match="example_input: the function fails: FileNotFound"):
        op.Study(task, method="random").run(budget=2)


class Tied(nn.Module):
    """Its embeddings and its output share weights, and two parts share a buffer."""

    def __init__(self, width: Any = 4) -> None:
        super().__init__()
        self.read = nn.Embedding(10, width)
        self.mix = Choice({"relu": nn.ReLU(), "tanh": nn.Tanh()})
        self.write = nn.Linear(width, 10, bias=False)
        self.write.weight = self.read.weight
        self.read.register_buffer("scale", torch.ones(6))
        self.write.register_buffer("scale", self.read.scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.write(self.mix(self.read(x)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("model", [Tied, Tied()], ids=["class", "instance"])
def test_what_parts_share_is_counted_once(model: Any) -> None:
    task = op.Task("tied", model, first_weight, objectives="y=max", example_input=torch.arange(3))
    arch = task.space.sample(1)[0]
    metrics = task.query(arch).metrics or {}
    assert metrics["params"] == sum(p.numel() for p in task.build(arch).parameters()) == 10 * 4
    assert metrics["weights_mb"] == (10 * 4 + 6) * 4e-6
    assert metrics["flops"] == 2 * 3 * 4 * 10


def test_without_an_input_the_weights_are_counted() -> None:
    task = op.Task("mine", network, first_weight, objectives="y=max")
    assert set(task.exact) == {"params", "weights_mb"}


def test_a_limit_of_costs_is_kept_without_training() -> None:
    task = TASK.replaced(constraints="params<=100")
    large = task.query(task.space.architecture({"width": 8, "depth": 0}))
    assert large.metrics is not None
    assert not large.dropped
    assert "params is" in task.query(ARCH).dropped
    study = op.Study(task, seed=0)
    study.run(budget=12)
    assert all((record.metrics or {})["params"] <= 100 for record in study.queries)
    relative = TASK.replaced(constraints="flops<=50%").resolved()
    assert (
        relative.constraints[0].bound
        == max(TASK.exact["flops"](arch) for arch in TASK.space.enumerate()) / 2
    )


def test_keywords_that_are_declared_are_given() -> None:
    got: dict[str, Any] = {}

    def train_and_test(
        model: nn.Module, *, seed: int, epochs: int, report: Any, arch: op.Architecture
    ) -> float:
        got.update(seed=seed, epochs=epochs, arch=arch)
        report(1, 0.5)
        return 1.0

    task = op.Task("mine", network, train_and_test, objectives="y=max", fidelities=(2, 6))
    assert task.query(ARCH, seed=3, epochs=2).curve == ((1, 0.5),)
    assert got == {"seed": evaluation_seed(3, ARCH), "epochs": 2, "arch": ARCH}
    assert task.reports_curve
    assert task.train is not None
    task.train(ARCH, 5)
    assert (got["seed"], got["epochs"]) == (5, 6)


def test_an_evaluator_of_architectures_stays_one() -> None:
    task = op.Task("mine", network, lambda arch: float(arch["width"]), objectives="y=max")
    assert (task.query(ARCH).metrics or {})["y"] == 8
    space = op.space_of(network)
    task = op.Task("mine", space, lambda model: float(len(model)), objectives="y=max")
    assert (task.query(ARCH).metrics or {})["y"] == 5


def test_a_model_with_choice_points_is_a_task_too() -> None:
    model = nn.Sequential(nn.Linear(3, 2), Choice({"relu": nn.ReLU(), "tanh": nn.Tanh()}))
    task = op.Task("mine", model, first_weight, objectives="y=max", example_input=example_input)
    assert task.space.count == 2
    assert task.exact["params"](task.space.sample(1)[0]) == 8


class Looks(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if float(x.sum()) >= 0 else -x


@pytest.mark.parametrize("given", [torch.zeros(1, 3), (torch.zeros(1, 3),), example_input])
def test_an_example_input_is_given_itself_or_by_a_function(given: Any) -> None:
    task = op.Task("mine", network, first_weight, objectives="y=max", example_input=given)
    assert (task.query(ARCH).metrics or {})["flops"] == 2 * (3 * 8 + 8 * 8 + 8 * 2)
    assert pickle.loads(pickle.dumps(task.example_input)) is not None
    with pytest.raises(InvalidValueError, match="Task: example_input"):
        op.Task("mine", network, first_weight, objectives="y=max", example_input=(1, 3))


class Keywords(nn.Module):
    """A network of a keyword, such as a language model's ``input_ids``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3, width)

    def forward(self, *, x: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        return self.layer(x)


class OfAnObject(Keywords):
    """A network of an object, such as a batch of graphs."""

    def forward(self, batch: Any) -> torch.Tensor:  # type: ignore[override]
        return self.layer(batch.x)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Keywords, {"x": torch.zeros(1, 3)}),
        (Keywords, lambda: {"x": torch.zeros(1, 3), "y": None}),
        (OfAnObject, lambda: SimpleNamespace(x=torch.zeros(1, 3))),
    ],
)
def test_an_input_that_is_no_tensor_does_for_counting(kind: type[Keywords], given: Any) -> None:
    def small(choose: Choose) -> nn.Module:
        return kind(choose("width", [4, 8]))

    def make(**keywords: Any) -> op.Task:
        return op.Task("mine", small, first_weight, objectives="y=max", **keywords)

    task = make(example_input=given, constraints="flops<=60%")
    study = op.Study(task, seed=0)  # The default, with scores where there can be some.
    study.run(budget=1)
    assert study.best.metrics["flops"] == 2 * 3 * 4
    assert study.best.architecture["width"] == 4
    with pytest.raises(InvalidValueError, match=r"example_input: got .*; give a tensor"):
        op.Study(make(example_input=given, features="naswot")).run(budget=1)


def test_an_input_that_can_not_be_used_is_told_in_short() -> None:
    given = SimpleNamespace(x=list(range(10_000)))
    with pytest.raises(InvalidValueError, match="give a tensor, several in a tuple") as error:
        op.Task("mine", network, first_weight, objectives="y=max", example_input=given)
    assert len(str(error.value)) < 1000


def test_networks_that_look_at_values_are_counted_by_running_them() -> None:
    model = nn.Sequential(nn.Linear(3, 2), Choice({"a": Looks(), "b": nn.Tanh()}))
    task = op.Task("mine", model, first_weight, objectives="y=max", example_input=example_input)
    assert task.exact["flops"](task.space.architecture({"1": "a"})) == 12


def test_costs_that_no_limit_needs_are_no_reason_to_fail() -> None:
    task = op.Task(
        "mine", network, first_weight, objectives="y=max", example_input=lambda: torch.zeros(1, 7)
    )
    evaluation = task.query(ARCH)
    assert evaluation.metrics is not None
    assert "flops" not in evaluation.metrics
    assert "params" in evaluation.metrics
    limited = task.replaced(constraints="flops<=100").query(ARCH)
    assert limited.metrics is None
    assert "shape" in limited.reason


def test_own_metrics_go_before_the_counted_ones() -> None:
    own = op.Metric("params", lambda arch: 1.0, exact=True)
    task = op.Task("mine", network, first_weight, objectives="y=max", metrics=[own])
    assert task.exact["params"](ARCH) == 1
    task = op.Task("mine", network, first_weight, objectives="y=max", metrics=["y", "z"])
    assert task.metrics == ("y", "z", "params", "weights_mb")


def test_it_travels_to_another_process() -> None:
    again: op.Task = pickle.loads(pickle.dumps(TASK))
    assert again.query(ARCH).metrics == TASK.query(ARCH).metrics


@pytest.mark.parametrize(
    ("space", "evaluate", "message"),
    [
        (3, first_weight, "Task: space: got 3; give a search space, .*, or a model"),
        (network, None, "Task: evaluate"),
        (network, lambda model, *, epoch: 1.0, "Task: evaluate: got .*it must take"),
    ],
)
def test_mistakes_are_told(space: Any, evaluate: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        op.Task("mine", space, evaluate, objectives="y=max")


def test_objectives_must_come_from_somewhere() -> None:
    with pytest.raises(InvalidValueError, match="objective"):
        op.Task("mine", network, first_weight)


def test_the_trained_network_is_kept_in_the_folder(tmp_path: Path) -> None:
    def train(model: nn.Module, folder: Path) -> float:
        nn.init.constant_(next(model.parameters()), 3.0)
        (folder / "log").touch()
        return 1.0

    task = op.Task("t", network, train, objectives={"y": "max"}, example_input=example_input)
    arch = task.space.sample(1)[0]
    assert task.query(arch, folder=tmp_path).metrics["y"] == 1.0  # type: ignore[index]
    kept = task.build(arch)
    kept.load_state_dict(torch.load(tmp_path / "network.pt", weights_only=True))
    assert float(next(kept.parameters()).detach().min()) == 3.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "network.pt"]


def test_a_network_that_was_changed_is_not_kept(tmp_path: Path) -> None:
    def train(model: nn.Module) -> float:
        model.register_buffer("more", torch.zeros(1))
        return 1.0

    task = op.Task("t", network, train, objectives={"y": "max"}, example_input=example_input)
    assert task.query(task.space.sample(1)[0], folder=tmp_path).metrics is not None
    assert list(tmp_path.iterdir()) == []


class Counted(nn.Module):
    """With a state besides its weights."""

    def __init__(self, extra: Any) -> None:
        super().__init__()
        self.layer, self.extra = nn.Linear(3, 1), extra

    def get_extra_state(self) -> Any:
        return self.extra

    def set_extra_state(self, state: Any) -> None:
        self.extra = state

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def counted(choose: Choose) -> nn.Module:
    return nn.Sequential(Counted({"runs": choose("runs", [0, 1])}))


def opaque(choose: Choose) -> nn.Module:
    return nn.Sequential(Counted({"scale": SimpleNamespace(n=choose("n", [0, 1]))}))


def quantized(choose: Choose) -> nn.Module:
    model = nn.Sequential(nn.Linear(3, choose("width", [2, 4])))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model, {nn.Linear})


def see_twice(model: Any) -> float:
    if isinstance(model[0], Counted):
        model[0].extra = {**model[0].extra, "seen": [torch.ones(1, requires_grad=True)]}
    return 1.0


@pytest.mark.parametrize("source", [counted, quantized])
def test_state_that_is_no_tensor_is_kept_and_read_back(source: Any, tmp_path: Path) -> None:
    task = op.Task("t", source, see_twice, objectives={"y": "max"}, example_input=example_input)
    study = op.Study(task, method="random")
    study.run(2)
    assert study.best is not None
    assert study.best.weights is not None
    model = study.best.module()
    model(torch.zeros(1, 3))
    if source is counted:
        assert set(model[0].extra) == {"runs", "seen"}  # type: ignore[index]
    study.best.save(tmp_path / "best.pt", model)
    stored = torch.load(tmp_path / "best.pt", weights_only=True)
    assert stored["weights"] == ("trained" if source is counted else "initial")


def test_state_that_can_not_be_read_safely_costs_the_weights_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = op.Task("t", opaque, see_twice, objectives={"y": "max"})
    arch = task.space.sample(1)[0]
    assert task.query(arch, folder=tmp_path).metrics["y"] == 1.0  # type: ignore[index]
    assert list(tmp_path.iterdir()) == []
    assert "the weights of the trained Sequential are not kept: its state 0._extra_state" in (
        caplog.text
    )
    assert "let get_extra_state return numbers" in caplog.text
