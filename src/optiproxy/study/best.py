"""The best architecture of a study, and its network as it was measured."""

from __future__ import annotations

import logging
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optiproxy._atomic_write import whole
from optiproxy.errors import OptiProxyError, invalid
from optiproxy.metrics import mean_metrics
from optiproxy.spaces import Architecture
from optiproxy.study.records import Record
from optiproxy.tasks import evaluation_seed
from optiproxy.tasks.networks import NETWORK, checked_network

if TYPE_CHECKING:
    from torch import nn

    from optiproxy.tasks import Task

# What `Best.save` does not write.
_OTHER_FORMS = (".onnx", ".pt2", ".py", ".json")

_logger = logging.getLogger("optiproxy.study")


@dataclass(frozen=True)
class Best:
    """An architecture that a search found: the best one, or one of the Pareto front.

    Attributes:
        record: Its query.
        task: What was searched.
        seed: The study's.
        folder: In which its evaluator kept files; None for none.
        held: What keeps a temporary `folder` from being removed.
    """

    record: Record
    task: Task = field(repr=False, compare=False)
    seed: int = field(default=0, repr=False, compare=False)
    folder: Path | None = field(default=None, repr=False, compare=False)
    held: object = field(default=None, repr=False, compare=False)

    @property
    def query(self) -> int:
        return self.record.query

    @property
    def architecture(self) -> Architecture:
        return self.record.architecture

    @property
    def metrics(self) -> Mapping[str, float]:
        """The means over the evaluations of the architecture."""
        return mean_metrics(self.record.results or (self.record.metrics,)) or {}

    @property
    def evaluations(self) -> int:
        """How many evaluations of the architecture succeeded."""
        results = self.record.results or (self.record.metrics,)
        return sum(result is not None for result in results)

    @property
    def deviations(self) -> Mapping[str, float]:
        """Metric → its sample standard deviation over the evaluations; empty for a single one."""
        found = {}
        for name in self.metrics:
            values = [r[name] for r in self.record.results if r is not None and name in r]
            if len(values) > 1:
                found[name] = statistics.stdev(values)
        return found

    def build(self) -> nn.Module:
        """The untrained network, a plain ``nn.Module``."""
        return self.task.build(self.architecture)

    @property
    def weights(self) -> Path | None:
        """The file in which its evaluator kept the weights that were measured; None for none."""
        file = None if self.folder is None else self.folder / NETWORK
        return file if file is not None and file.is_file() else None

    def module(self, inputs: tuple[Any, ...] = (), *, retrain: bool = False) -> nn.Module:
        """The network as it was measured: with the `weights` that were kept, in evaluation mode.

        If none were kept, it has its initial weights and a warning says so, or it is trained again.

        Args:
            inputs: What lazy layers get their shapes from; none for the task's example input.
            retrain: Whether a network without kept weights is trained again, with the same seed.

        Raises:
            OptiProxyError: There is no network, or the kept weights are not of this one.
            InvalidValueError: It can't be trained again.
        """
        import torch

        if (file := self.weights) is not None:
            model = self.initial(inputs)
            try:
                model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
            except Exception as error:
                raise OptiProxyError(f"{file} is not for this network: {error}") from error
            return model.eval()
        if retrain:
            if self.task.train is None:
                raise invalid("retrain", retrain, f"task {self.task.name!r} has no `train`")
            seed = evaluation_seed(self.seed, self.architecture)
            trained = self.task.train(self.architecture, seed)
            return checked_network("train", trained).cpu().eval()
        remedy = " (retrain=True trains it)" if self.task.train is not None else ""
        text = self.weights_text()
        _logger.warning("query %d: the network is %s%s", self.query, text, remedy)
        return self.initial(inputs).cpu()

    def weights_text(self, *, retrain: bool = False) -> str:
        """Where the weights of `module` come from, in words."""
        if (file := self.weights) is not None:
            return f"trained: its weights are from {file}"
        return "trained again" if retrain else "with its initial weights: none were kept"

    def initial(self, inputs: tuple[Any, ...] = ()) -> nn.Module:
        """The network with its initial weights, the same every time; `inputs` as for `module`."""
        import torch

        from optiproxy.hardware import has_lazy_layers, materialise

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(evaluation_seed(self.seed, self.architecture))
            model = self.build()
            if not inputs:
                if self.task.example_input is None or not has_lazy_layers(model):
                    return model
                inputs = self.task.example_input()
            # Lazy layers draw their weights here, from the same seed.
            return materialise(model, inputs)

    def save(
        self,
        path: str | os.PathLike[str],
        model: nn.Module | None = None,
        *,
        trained: bool | None = None,
        retrain: bool = False,
    ) -> None:
        """Writes the network's weights and what they belong to.

        ``torch.load(path, weights_only=True)`` gives ``state_dict``, ``weights`` ("trained" or
        "initial"), ``architecture``, ``task`` and ``metrics``.

        Args:
            path: The file, by no name of the other forms: ``optiproxy export`` writes those.
            model: The network to write; by default what `module` returns.
            trained: Whether it is trained; of a `model`, by default whether its weights are other
                than the initial ones.
            retrain: As of `module`.

        Raises:
            InvalidValueError: The file's name ends in .onnx, .pt2, .py or .json.
        """
        import torch

        if (suffix := Path(path).suffix.lower()) in _OTHER_FORMS:
            remedy = (
                f"give a name that ends in .pt; `optiproxy export NAME --out {Path(path).name}`"
            )
            raise invalid("path", os.fspath(path), f"{remedy} writes {suffix[1:]}")
        if model is None:
            model = self.module(retrain=retrain)
            trained = self.weights is not None or retrain
        elif trained is None:
            trained = not _same(model, self.initial())
        with whole(Path(path)) as unfinished:
            content = {
                "weights": "trained" if trained else "initial",
                "state_dict": model.state_dict(),
                "architecture": dict(self.architecture),
                "task": self.task.name,
                "metrics": dict(self.metrics),
            }
            torch.save(content, unfinished)

    def __str__(self) -> str:
        return self.task.space.to_text(self.architecture)

    def _repr_html_(self) -> str:
        """The architecture in a notebook."""
        from optiproxy.report.notebook import best_fragment

        return best_fragment(
            self.record.plain(),
            title=self.task.name,
            text=str(self),
            drawings=[drawing.plain() for drawing in self.task.space.drawings(self.architecture)],
            reported=self.task.reported,
        )


def _same(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks have the same weights and the same state besides."""
    import torch
    from torch.utils._pytree import tree_flatten

    (a, form), (b, other_form) = tree_flatten(one.state_dict()), tree_flatten(other.state_dict())
    return form == other_form and all(
        torch.equal(x.cpu(), y.cpu())
        if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor)
        else bool(x == y)
        for x, y in zip(a, b, strict=True)
    )
