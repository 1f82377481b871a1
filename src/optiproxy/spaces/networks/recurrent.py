"""The recurrent cell that a recipe of NAS-Bench-NLP describes.

Reference: Klyuchnikov et al., NAS-Bench-NLP, IEEE Access 2022, https://arxiv.org/abs/2006.07116,
section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from optiproxy.errors import invalid

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "activation_tanh": torch.tanh,
    "activation_sigm": torch.sigmoid,
    "activation_leaky_relu": nn.functional.leaky_relu,
}


class RecurrentCell(nn.Module):
    """One step: an input and the old hidden states → the output and the new hidden states.

    The output is the first of the new states. A linear node sums a matrix times each of its inputs
    and a bias; weights are initialised uniformly in ±1/√width, as in the benchmark.

    >>> from optiproxy.spaces import Recurrent
    >>> space = Recurrent()
    >>> cell = space.build(space.sample(1)[0], inputs=8, width=8)
    >>> states = None
    >>> for word in torch.randn(5, 2, 8):  # five words of two texts
    ...     output, states = cell(word, states)
    >>> tuple(output.shape)
    (2, 8)

    Args:
        recipe: Name → ``{"op": …, "input": [names]}``, each node after those that it reads.
        inputs: Number of features of the input.
        width: Width of each hidden state.

    Raises:
        InvalidValueError: An operation other than a linear map reads the input, which then must
            have the states' width.
    """

    def __init__(self, recipe: Mapping[str, Mapping[str, Any]], inputs: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.steps = [(name, str(node["op"]), list(node["input"])) for name, node in recipe.items()]
        self.states = sum(name.startswith("h_new_") for name in recipe)
        narrow = [name for name, op, read in self.steps if op != "linear" and "x" in read]
        if narrow and inputs != width:
            remedy = f"give width={inputs} too: {', '.join(narrow)} reads the input as it is"
            raise invalid("build: width", width, remedy)
        self.linear = nn.ModuleDict(
            {
                name: nn.Linear(sum(inputs if i == "x" else width for i in read), width)
                for name, op, read in self.steps
                if op == "linear"
            }
        )
        for weight in self.parameters():
            nn.init.uniform_(weight, -1 / math.sqrt(width), 1 / math.sqrt(width))

    def forward(
        self, x: Tensor, states: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One step.

        Args:
            x: (B, inputs).
            states: The hidden states, (B, width) each; None means zeros.

        Returns:
            The output, (B, width), and the new states.
        """
        if states is None:
            states = [x.new_zeros(len(x), self.width)] * self.states
        values = {"x": x, **{f"h_prev_{j}": state for j, state in enumerate(states)}}
        for name, op, read in self.steps:
            inputs = [values[source] for source in read]
            if op == "linear":
                values[name] = self.linear[name](torch.cat(inputs, 1))
            elif op in _ACTIVATIONS:
                values[name] = _ACTIVATIONS[op](inputs[0])
            elif op == "elementwise_sum":
                values[name] = inputs[0] + inputs[1]
            elif op == "elementwise_prod":
                values[name] = inputs[0] * inputs[1]
            else:  # a blend, weighted by the first
                values[name] = inputs[0] * inputs[1] + (1 - inputs[0]) * inputs[2]
        new = tuple(values[f"h_new_{j}"] for j in range(self.states))
        return new[0], new
