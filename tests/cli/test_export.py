"""``optiproxy export``: what is written is what was found, and can be read elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from torch import nn

import optiproxy as op
from optiproxy.cli._networks import write_program
from optiproxy.cli.app import run
from optiproxy.errors import InvalidValueError
from optiproxy.study import Study


@pytest.fixture
def study(folder, capfd):
    task = op.tasks.load("mine.py:task")
    study = Study(task, method="random", storage="mine-random-0.journal")
    study.run(6)
    capfd.readouterr()
    return study


def export(*arguments):
    return run(["export", "mine-random-0", *map(str, arguments)])


def test_json_says_what_it_is_and_where_it_comes_from(study, folder, capfd):
    assert export("--format", "json", "--out", "best.json") == 0
    out, _ = capfd.readouterr()
    assert out == f"best.json: {study.best} (query {study.best.query})\n"
    written = json.loads((folder / "best.json").read_text())
    assert written["architecture"] == dict(study.best.architecture)
    assert study.task.space.architecture(written["text"]) == study.best.architecture
    assert written["metrics"] == dict(study.best.metrics)
    assert written["feasible"] is True
    assert written["optiproxy"] == op.__version__
    assert written["study"] == {
        "name": "mine-random-0", "task": "mine", "space": study.task.space.fingerprint,
        "objectives": ["val=max"], "constraints": [], "method": "random", "proxy": None, "seed": 0,
        "queries": 6,
    }  # fmt: skip
    assert export("--format", "json", "--out", "two.json", "--query", 2) == 0
    two = json.loads((folder / "two.json").read_text())
    assert two["architecture"] == dict(study.queries[1].architecture)


def test_the_name_of_the_file_says_what_it_is(study, folder, capfd):
    assert export("--out", "best.json") == 0
    assert json.loads((folder / "best.json").read_text())["metrics"] == dict(study.best.metrics)


def test_weights_are_those_of_the_training(study, folder, capfd):
    assert export("--out", "initial.pt") == 0
    out, _ = capfd.readouterr()
    assert out.endswith("with its initial weights: none were kept (--retrain trains it)\n")
    assert torch.load("initial.pt", weights_only=True)["weights"] == "initial"
    assert export("--out", "best.pt", "--retrain") == 0
    out, _ = capfd.readouterr()
    assert out.endswith("trained again\n")
    kept = torch.load("best.pt", weights_only=True)
    model = study.best.build()
    model.load_state_dict(kept["state_dict"])
    seed = op.tasks.evaluation_seed(0, study.best.architecture)
    trained = study.task.train(study.best.architecture, seed)
    for name, value in trained.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


def test_untrained_weights_are_the_same_in_every_file(study, folder):
    (folder / "own.py").write_text(
        "import mine, optiproxy as op\n"
        "task = op.Task('own', mine.space, lambda arch: 1.0 * arch['width'], build=mine.build,\n"
        "               objectives='val=max')\n"
    )
    own = Study(op.tasks.load("own.py:task"), method="random", storage="own-random-0.journal")
    own.run(2)
    kept = []
    for name in ("one.pt", "two.pt"):
        assert run(["export", "own-random-0", "--out", name]) == 0
        kept.append(torch.load(name, weights_only=True)["state_dict"])
    assert all(torch.equal(value, kept[1][name]) for name, value in kept[0].items())


@pytest.mark.slow
def test_whole_networks_compute_the_same(study, folder, capfd):
    width = study.best.architecture["width"]
    x = torch.randn(1, width, generator=torch.Generator().manual_seed(0))
    seed = op.tasks.evaluation_seed(0, study.best.architecture)
    expected = study.task.train(study.best.architecture, seed).eval()(x).detach()

    shape = ["--input-shape", f"1,{width}", "--retrain"]
    assert export("--out", "best.pt2", *shape) == 0
    _, err = capfd.readouterr()
    assert "archive" not in err  # torch warns of a file that is not called .pt2.
    loaded = torch.export.load("best.pt2").module()
    assert torch.allclose(loaded(x), expected)
    three = torch.cat([x, x, x])  # The batch is of any size.
    assert torch.allclose(loaded(three), expected.expand(3, -1))

    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnx", reason="needs the extra onnx")
    assert export("--format", "onnx", "--out", "best.onnx", *shape) == 0
    session = onnxruntime.InferenceSession("best.onnx")
    (given,), (found,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, found.name) == ("input", ["batch", width], "output")
    for inputs in (x, three):
        (got,) = session.run(None, {"input": inputs.numpy()})
        assert torch.allclose(torch.from_numpy(got), expected.expand(len(inputs), -1), atol=1e-6)


@pytest.mark.slow
def test_a_network_is_written_as_code_that_needs_torch_alone(study, folder, capfd):
    width = study.best.architecture["width"]
    x = torch.randn(5, width, generator=torch.Generator().manual_seed(0))
    assert export("--out", "best.py", "--input-shape", f"1,{width}") == 0
    out, _ = capfd.readouterr()
    assert out.startswith("best.py and best.pt: ")
    code = (
        "import sys, torch; sys.path.insert(0, '.'); import best\n"
        "model = best.load(); x = torch.load('x.pt', weights_only=True)\n"
        "torch.save(model(x), 'y.pt')\n"
        "assert not any(name.startswith('optiproxy') for name in sys.modules)\n"
    )
    torch.save(x, "x.pt")
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
    expected = study.best.module()(x)
    torch.testing.assert_close(torch.load("y.pt"), expected, atol=1e-5, rtol=1e-5)


def test_the_best_has_its_network(study, folder):
    study.best.save("best.pt")
    kept = torch.load("best.pt", weights_only=True)
    assert kept["architecture"] == dict(study.best.architecture)
    assert kept["metrics"] == dict(study.best.metrics)
    model = study.best.build()
    model.load_state_dict(kept["state_dict"])
    trained = study.best.module()
    assert all(map(torch.equal, model.state_dict().values(), trained.state_dict().values()))


def test_weights_are_not_written_under_the_name_of_another_form(study, folder):
    with pytest.raises(InvalidValueError, match=r"best.onnx.*optiproxy export"):
        study.best.save(folder / "best.onnx")
    assert not (folder / "best.onnx").exists()


def test_the_embedded_task_says_what_its_networks_take():
    from optiproxy.cli._networks import example_input

    task = op.tasks.get("mnist1d")
    (x,) = example_input(Study(task, method="random"), None)
    assert task.build(task.space.sample(1)[0]).eval()(x).shape == (1, 10)


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["--out", "a/b.pt"], "its folder does not exist", 2),
        (["--out", "b.pt", "--format", "tensorflow"], "tensorflow", 2),
        (["--out", "b.onnx", "--format", "onnx"], "--input-shape: give the sizes", 1),
        (["--out", "b.pt", "--format", "python"], "give a name that ends in .py", 2),
        (["--out", "b.py"], "--input-shape: give the sizes", 1),
        (["--out", "b.pt2", "--input-shape", "1,x"], "input shape: got '1,x'", 2),
        (["--out", "b.pt2", "--input-shape", "0"], "input shape: got '0'", 2),
        pytest.param(
            ["--out", "b.pt2", "--input-shape", "1,7"],
            "torch can't export this network",
            1,
            marks=pytest.mark.slow,
        ),
        (["--out", "b.pt", "--query", "9"], "the study has 6 finished ones", 2),
        (["--out", "b.pt", "--storage", "no.journal"], "no file 'no.journal'", 1),
    ],
)
def test_what_cannot_be_written_is_told_and_leaves_nothing(
    study, folder, capfd, arguments, said, code
):
    assert export(*arguments) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    assert not list(folder.glob("*b.*"))


def test_a_task_without_networks_is_told(folder, refused, capsys):
    (folder / "plain.py").write_text(
        "import optiproxy as op\n"
        "space = op.spaces.Chain({'a': [1, 2, 3]})\n"
        "task = op.Task('plain', space, lambda arch: float(arch['a']), objectives={'x': 'max'},\n"
        "               constraints={'x': '<= 2'})\n"
    )
    where = ["--method", "random", "--storage", "p.journal", "--name", "p"]
    assert run(["search", "plain.py:task", "--budget", "3", *where]) == 0
    capsys.readouterr()
    for name in ("p.pt2", "p.pt", "p.csv"):
        arguments = ["export", "p", "--storage", "p.journal", "--out", name]
        assert "builds no network; end the name in .json" in refused(*arguments)
    assert run([*arguments[:-1], "p.json", "--format", "json"]) == 0
    assert json.loads((folder / "p.json").read_text())["metrics"] == {"x": 2.0}


class Several(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, *xs):
        return sum(self.layer(x) for x in xs)


class OverBatch(Several):
    def forward(self, x, *others):
        return torch.stack([self.layer(row) for row in x])


@pytest.mark.parametrize("wrap", [Several, OverBatch, lambda: nn.DataParallel(Several())])
def test_any_signature_is_written_as_a_program(tmp_path, wrap):
    model, x = wrap(), (torch.rand(1, 4), torch.rand(1, 4))
    write_program(model, x, tmp_path / "best.pt2")
    loaded = torch.export.load(tmp_path / "best.pt2").module()
    assert torch.allclose(loaded(*x), model(*x))
    if wrap is not OverBatch:  # The batch is of any size.
        three = tuple(y.expand(3, -1) for y in x)
        assert torch.allclose(loaded(*three), model(*three))
