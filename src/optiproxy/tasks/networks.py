"""Tasks whose space is a model: the evaluator gets the network, whose costs are metrics."""

from __future__ import annotations

import inspect
import io
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

from optiproxy._atomic_write import whole
from optiproxy.errors import InvalidValueError, MeasurementFailed, OptiProxyError, first_line
from optiproxy.metrics import Metric
from optiproxy.spaces import Architecture, Space
from optiproxy.tasks.failures import kind_of

if TYPE_CHECKING:
    from torch import nn

    from optiproxy.nn import ModelSpace

_logger = logging.getLogger("optiproxy.tasks")

Network = Callable[..., "nn.Module"]

#: The file of a query's folder that has the weights of its trained network.
NETWORK = "network.pt"
#: What is counted of each network, see `hardware.count_costs`; the last three need its input.
COSTS = ("params", "weights_mb", "flops", "activations", "memory_mb")
# An evaluator whose first argument is called so is given the architecture alone.
_ARCHITECTURE = ("arch", "architecture")


def read_space(
    space: Any, example_input: Callable[[], Any] | None
) -> tuple[Space, ModelSpace | None]:
    """A task's space, and the same once more where it is that of a model.

    Raises:
        InvalidValueError: See `nn.space_of`.
    """
    if not isinstance(space, Space):
        from optiproxy.nn import space_of

        space = space_of(space, example_input=example_input)
    loaded = sys.modules.get("optiproxy.nn")
    return space, space if loaded is not None and isinstance(space, loaded.ModelSpace) else None


def takes_network(evaluate: Callable[..., Any]) -> bool:
    """Whether an evaluator of a model's space gets the network."""
    try:
        first = next(iter(inspect.signature(evaluate).parameters), "")
    except (TypeError, ValueError):
        return True
    return first not in _ARCHITECTURE


class OnNetworks:
    """An evaluator of architectures that gives each network to ``train_and_test(model, …)``.

    The generator of torch begins at the evaluation's seed, so that initial weights, and all that a
    training draws without a generator of its own, are the same every time; it is as before
    afterwards. The trained network is kept in the query's folder, in `NETWORK`.

    Args:
        space: Whose networks they are.
        function: ``train_and_test(model) → {metric: value}``. Of the keywords ``seed``, ``epochs``,
            ``report``, ``folder`` and ``arch`` it gets those that it declares.
        fidelities: The task's.
    """

    def __init__(
        self, space: ModelSpace, function: Callable[..., Any], fidelities: Sequence[int] = ()
    ) -> None:
        self._space = space
        self._fidelities = fidelities
        self._function = function
        self._declared = tuple(inspect.signature(function).parameters.values())[1:]
        first = inspect.Parameter("arch", inspect.Parameter.POSITIONAL_ONLY)
        seed = inspect.Parameter("seed", inspect.Parameter.KEYWORD_ONLY, default=0)
        others = [
            p.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for p in self._declared
            if p.name not in ("arch", "seed", "folder")
            and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        folder = inspect.Parameter("folder", inspect.Parameter.KEYWORD_ONLY, default=None)
        # What a task reads to know which keywords to give.
        self.__signature__ = inspect.Signature([first, seed, folder, *others])

    def __call__(
        self, arch: Architecture, /, *, seed: int = 0, folder: Path | None = None, **keywords: Any
    ) -> Mapping[str, SupportsFloat] | float:
        model, returned, same = self._run(arch, seed, {**keywords, "folder": folder})
        found: Mapping[str, SupportsFloat] | float = returned
        if folder is not None and same:
            _keep(model, folder / NETWORK)
        return found

    def train(self, arch: Architecture, seed: int) -> nn.Module:
        """The network as the evaluation with this seed leaves it."""
        names = [p.name for p in self._declared]
        keywords: dict[str, Any] = (
            {"report": lambda epoch, value: None} if "report" in names else {}
        )
        if "epochs" in names and self._fidelities:
            keywords["epochs"] = self._fidelities[-1]
        return self._run(arch, seed, keywords)[0]

    def _run(
        self, arch: Architecture, seed: int, keywords: Mapping[str, Any]
    ) -> tuple[nn.Module, Any, bool]:
        """The network, what was returned, and whether its parameters are still called the same."""
        import torch

        names = [p.name for p in self._declared]
        given = {n: value for n, value in keywords.items() if n != "folder" or n in names}
        given.update({n: v for n, v in (("arch", arch), ("seed", seed)) if n in names})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = self._space.build(arch)
            parameters = list(model.state_dict())
            returned = self._function(model, **given)
            return model, returned, list(model.state_dict()) == parameters


def _keep(model: nn.Module, file: Path) -> None:
    """Keeps the weights, on the CPU; none where they could not be read back safely."""
    import torch
    from torch.utils._pytree import tree_map_only

    state = model.state_dict()
    for name, value in state.items():
        state[name] = tree_map_only(torch.Tensor, lambda tensor: tensor.cpu(), value)
    # What `get_extra_state` returned, which may be anything.
    others = {n: value for n, value in state.items() if type(value) is not torch.Tensor}
    try:
        torch.save(others, content := io.BytesIO())
        content.seek(0)
        torch.load(content, weights_only=True)
    except Exception as error:
        _logger.warning(
            "the weights of the trained %s are not kept: its state %s can't be read back without "
            "running code; let get_extra_state return numbers, text and tensors (%s)",
            type(model).__name__,
            ", ".join(others),
            first_line(error),
        )
        return
    with whole(file) as unfinished:
        torch.save(state, unfinished)


class Costs:
    """What the networks of a space cost, each counted once; see `hardware.count_costs`.

    Args:
        space: Whose networks they are.
        example_input: One input, a tuple of several or a mapping of keywords; None leaves
            `COSTS` but the first two out.
    """

    def __init__(self, space: ModelSpace, example_input: Callable[[], Any] | None) -> None:
        self._space = space
        self._example_input = example_input
        self._known: dict[tuple[Architecture, bool], dict[str, float]] = {}
        self._warned = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": {}}  # Counted again in another process.

    def metrics(self, taken: Iterable[str]) -> list[Metric]:
        """The exact metrics, but those whose names are `taken`."""
        names = set(COSTS if self._example_input is not None else COSTS[:2]) - set(taken)
        return [Metric(n, partial(self.cost, n), exact=True) for n in COSTS if n in names]

    def cost(self, name: str, arch: Architecture) -> float:
        """One of `COSTS` of a network.

        Raises:
            MeasurementFailed: The network fails on the example input; the first time, a warning
                says so too, for a metric that nothing asks for is left out.
            Exception: Whatever a network raises that can't be built.
        """
        forward = name not in COSTS[:2]
        for key in ((arch, forward), (arch, True)):
            if key in self._known:
                return self._known[key][name]
        try:
            self._known[arch, forward] = self._counted(arch, forward)
        except MeasurementFailed as error:
            if not self._warned:
                self._warned = True
                missing = ", ".join(COSTS[2:])
                text = self._space.to_text(arch)
                _logger.warning("%s of %s can't be counted: %s", missing, text, error)
            raise
        return self._known[arch, forward][name]

    def _counted(self, arch: Architecture, forward: bool) -> dict[str, float]:
        import torch
        from torch.utils._pytree import tree_map_only

        from optiproxy.hardware import count_costs, count_parameters, has_lazy_layers

        model = self._space.skeleton(arch)
        if not forward and has_lazy_layers(model) and self._example_input is not None:
            forward = True
        if not forward:
            stored = (*model.parameters(), *model.buffers())
            size = sum(tensor.numel() * tensor.element_size() for tensor in stored) / 1e6
            return {"params": count_parameters(model), "weights_mb": size}
        assert self._example_input is not None
        with _blamed("the function fails"):
            inputs = self._example_input()
        try:
            return count_costs(model, tree_map_only(torch.Tensor, lambda x: x.to("meta"), inputs))
        except Exception:  # Its `forward` depends on values, which meta tensors lack.
            with torch.random.fork_rng(devices=[]):
                model = self._space.build(arch)
                with _blamed("the network fails on it"):
                    return count_costs(model, inputs)


@contextmanager
def _blamed(what: str) -> Iterator[None]:
    """Names the example input in an error, but one of the library's or such as of no memory."""
    try:
        yield
    except OptiProxyError:
        raise
    except Exception as error:
        if kind_of(error) != type(error).__name__:
            raise
        raise MeasurementFailed(
            f"example_input: {what}: {first_line(error)}; give one input of the network, a tuple "
            "of several, or a mapping of keywords"
        ) from error


def checked_network(function: str, returned: Any) -> nn.Module:
    """What a user's function returned, where it is a network.

    Raises:
        InvalidValueError: It is None, a class, a tuple, or anything else.
    """
    from torch import nn

    if isinstance(returned, nn.Module):
        if getattr(returned.forward, "__func__", None) is not nn.Module.forward:
            return returned
        kind = type(returned).__name__
        remedy = "define it, or return a nn.Sequential of its parts"
        raise InvalidValueError(f"{function}: returned a {kind}, which has no `forward`; {remedy}")
    what = f"a {type(returned).__name__}"
    remedy = "return the network, a torch.nn.Module"
    if returned is None:
        what, remedy = "None", f"{remedy}; is `return` missing?"
    elif isinstance(returned, type):
        what, remedy = f"the class {returned.__name__}", f"{remedy}: {returned.__name__}(...)"
    elif isinstance(returned, tuple | list) and any(isinstance(r, nn.Module) for r in returned):
        remedy += " alone"
    raise InvalidValueError(f"{function}: returned {what}; {remedy}")
