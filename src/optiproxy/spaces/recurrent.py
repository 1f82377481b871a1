"""Recurrent cells of NAS-Bench-NLP: named nodes between x, the old and the new hidden states.

Reference: Klyuchnikov et al., NAS-Bench-NLP, IEEE Access 2022, https://arxiv.org/abs/2006.07116.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import InvalidValueError
from optiproxy.spaces._refine import canonical_order
from optiproxy.spaces.architecture import Architecture, GraphTemplate, Indices, Option
from optiproxy.spaces.base import Space
from optiproxy.spaces.drawing import Drawing, Vertex, drawing

if TYPE_CHECKING:
    from optiproxy.spaces.networks.recurrent import RecurrentCell

# Operation → number of inputs. Recipes call both linear maps "linear".
ARITY = {
    "linear": 2, "linear_3": 3, "activation_tanh": 1, "activation_sigm": 1,
    "activation_leaky_relu": 1, "elementwise_sum": 2, "elementwise_prod": 2, "blend": 3,
}  # fmt: skip
OPERATIONS = tuple(ARITY)
SLOTS = 3
# The only operation in which the order of the inputs matters: the first one weights the others.
ORDERED = "blend"


class Recurrent(Space):
    """Up to `nodes` operations and up to `hidden` hidden states, encoded at fixed size.

    The choices of node k are its operation, ``"op4"``, and three inputs, ``"op4_in1"`` to
    ``"op4_in3"``, each x, an old hidden state ``h_prev_0, …``, or an earlier node ``node_1, …``. A
    new hidden state ``"h_new_0", …`` is one of the nodes; from the second on it may be None.
    Inputs that the operation does not take are inactive, and so are nodes that no new state needs.

    An architecture is valid if it can be trained: the new states are different nodes, those that
    are None come last, active nodes read only hidden states that exist, and one of them reads x.

    >>> space = Recurrent()
    >>> recipe = '''{"f": {"op": "linear", "input": ["x", "h_prev_0"]},
    ...              "h_new_0": {"op": "activation_tanh", "input": ["f"]}}'''
    >>> space.recipe(space.architecture(recipe))["h_new_0"]
    {'op': 'activation_tanh', 'input': ['node_1']}

    Args:
        nodes: The largest number of operations; 15 hold every recipe of the WikiText-2 runs.
        hidden: The largest number of hidden states.

    Raises:
        InvalidValueError: A number is not a whole number of 1 or more, or there are more hidden
            states than nodes; all mistakes are in one message.
    """

    def __init__(self, nodes: int = 15, hidden: int = 3) -> None:
        problems = [
            f"{name}: got {value!r}; give a whole number of 1 or more"
            for name, value in (("nodes", nodes), ("hidden", hidden))
            if isinstance(value, bool) or not isinstance(value, int) or value < 1
        ]
        if not problems and hidden > nodes:
            problems.append(
                f"hidden: got {hidden!r}; each state is a different one of the {nodes} nodes"
            )
        if problems:
            raise InvalidValueError("Recurrent: " + "; ".join(problems))
        self.nodes, self.hidden = nodes, hidden
        sources = ["x", *(f"h_prev_{j}" for j in range(hidden))]
        made = [f"node_{k}" for k in range(1, nodes + 1)]
        choices: dict[str, tuple[Option, ...]] = {}
        for k in range(nodes):
            choices[f"op{k + 1}"] = OPERATIONS
            for slot in range(1, SLOTS + 1):
                choices[f"op{k + 1}_in{slot}"] = (*sources, *made[:k])
        for j in range(hidden):
            choices[f"h_new_{j}"] = tuple(made) if j == 0 else (None, *made)
        super().__init__(choices)
        # Vertices: x, old states, nodes. The option number of an input is the number of its vertex.
        self._first = 1 + hidden

    # ---- rows to parts and back ----

    def _parts(self, indices: Indices) -> tuple[Indices, Indices, Indices]:
        """Operations (B, nodes), inputs (B, nodes, 3), new states (B, hidden): a vertex, or -1."""
        body = indices[:, : 4 * self.nodes].reshape(len(indices), self.nodes, 1 + SLOTS)
        new = indices[:, 4 * self.nodes :] + self._first
        new[:, 1:] -= 1
        new[:, 1:][new[:, 1:] < self._first] = -1
        return body[:, :, 0], body[:, :, 1:], new

    def _rows(self, ops: Indices, inputs: Indices, new: Indices) -> Indices:
        body = np.concatenate([ops[:, :, None], inputs], 2).reshape(len(ops), 4 * self.nodes)
        states = new - self._first
        states[:, 1:] = np.where(new[:, 1:] < 0, 0, states[:, 1:] + 1)
        return np.concatenate([body, states], 1)

    def _used(self, ops: Indices) -> NDArray[np.bool_]:
        """Whether an operation takes each of the inputs, (B, nodes, 3)."""
        arity = np.array(list(ARITY.values()))
        return np.arange(SLOTS) < arity[ops][:, :, None]

    def _active(self, ops: Indices, inputs: Indices, new: Indices) -> NDArray[np.bool_]:
        """Whether a new state needs each vertex, (B, 1 + hidden + nodes)."""
        b = np.arange(len(ops))
        active = np.zeros((len(ops), self._first + self.nodes), dtype=bool)
        for state in new.T:
            active[b[state >= 0], state[state >= 0]] = True
        used = self._used(ops)
        for k in reversed(range(self.nodes)):
            for slot in range(SLOTS):
                active[b, inputs[:, k, slot]] |= active[:, self._first + k] & used[:, k, slot]
        return active

    def valid(self, indices: Indices) -> NDArray[np.bool_]:
        ops, inputs, new = self._parts(indices)
        active = self._active(ops, inputs, new)
        exists = new >= 0
        found = (exists[:, 1:] <= exists[:, :-1]).all(1) & active[:, 0]
        found &= (active[:, 1 : self._first] <= exists).all(1)
        for j in range(1, self.hidden):
            found &= ~(exists[:, j] & (new[:, :j] == new[:, j : j + 1]).any(1))
        return found

    def canonical(self, indices: Indices) -> Indices:
        """The representative of all cells that are equal after pruning and renumbering.

        Active nodes come first, numbered by depth and by their edges; inactive inputs become x, and
        inputs whose order does not matter are sorted.
        """
        ops, inputs, new = self._parts(indices)
        active, used = self._active(ops, inputs, new), self._used(ops)
        n, first = active.shape[1], self._first
        b = np.arange(len(indices))
        used &= active[:, first:, None]
        ops = np.where(active[:, first:], ops, 0)
        # A source that is read twice counts twice; the weight depends on the place where it
        # matters.
        weight = np.where(ops[:, :, None] == OPERATIONS.index(ORDERED), [10, 100, 1000], 1)
        adjacency = np.zeros((len(indices), n, n), np.int64)
        depth = np.zeros((len(indices), n), np.int64)
        for k in range(self.nodes):
            for slot in range(SLOTS):
                here = used[:, k, slot]
                source = inputs[here, k, slot]
                adjacency[b[here], source, first + k] += weight[here, k, slot]
                below = np.where(here, depth[b, inputs[:, k, slot]] + 1, 0)
                depth[:, first + k] = np.maximum(depth[:, first + k], below)
        depth[:, first:][~active[:, first:]] = n
        # x and the old states keep their places; inactive nodes come last, in any order.
        depth[:, first:] += first
        depth[:, :first] = np.arange(first)
        labels = np.zeros((len(indices), n), np.int64)
        labels[:, first:] = ops + 1
        labels[:, first:] += (~active[:, first:]) * (len(OPERATIONS) * np.arange(1, self.nodes + 1))
        for j, state in enumerate(new.T, start=1):
            labels[b[state >= 0], state[state >= 0]] += 1_000_000 * j
        order = canonical_order(adjacency, labels, depth)
        place = np.argsort(order, 1)  # old number → new number
        inputs = np.where(used, place[b[:, None, None], inputs], 0)
        loose = used & (ops != OPERATIONS.index(ORDERED))[:, :, None]
        ranked = np.sort(np.where(loose, inputs, n), 2)
        inputs = np.where(loose, ranked, inputs)
        new = np.where(new >= 0, np.take_along_axis(place, new.clip(min=0), 1), -1)
        taken = order[:, first:] - first
        inputs = np.take_along_axis(inputs, taken[:, :, None], 1)
        return self._rows(np.take_along_axis(ops, taken, 1), inputs, new)

    # ---- encodings ----

    @cached_property
    def graph(self) -> GraphTemplate:
        """x, the old states, the nodes and the new states; inactive inputs are edges too."""
        first, o_max = self._first, int(self.sizes.max())
        n = first + self.nodes + self.hidden
        f = first + len(OPERATIONS) + self.hidden
        features = np.zeros((n, f), np.float32)
        fixed = [*range(first), *range(n - self.hidden, n)]
        features[fixed, [*range(first), *range(f - self.hidden, f)]] = 1
        feature_terms = np.zeros((len(self.sizes), o_max, n, f), np.float32)
        adjacency_terms = np.zeros((len(self.sizes), o_max, n, n), np.float32)
        for k in range(self.nodes):
            op = np.arange(len(OPERATIONS))
            feature_terms[4 * k, op, first + k, first + op] = 1
            for slot in range(1, SLOTS + 1):
                source = np.arange(first + k)
                adjacency_terms[4 * k + slot, source, source, first + k] = 1
        for j in range(self.hidden):
            node = np.arange(self.nodes)
            state = 4 * self.nodes + j
            adjacency_terms[state, node + (j > 0), first + node, n - self.hidden + j] = 1
        return GraphTemplate(np.zeros((n, n), np.float32), features, feature_terms, adjacency_terms)

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Each operation with each of its inputs; each new state."""
        inputs = [(4 * k, 4 * k + slot) for k in range(self.nodes) for slot in (1, 2, 3)]
        states = [(4 * self.nodes + j,) for j in range(self.hidden)]
        return (*inputs, *states)

    # ---- recipes ----

    def recipe(self, arch: Architecture) -> dict[str, dict[str, Any]]:
        """The published form: name → operation and inputs, for active nodes.

        A node that is a new hidden state is called ``h_new_0, …``, the others ``node_1, …``.
        """
        row = self.to_indices([arch])
        ops, inputs, new = (part[0] for part in self._parts(row))
        active = self._active(*self._parts(row))[0]
        names = ["x", *(f"h_prev_{j}" for j in range(self.hidden))]
        names += [f"node_{k}" for k in range(1, self.nodes + 1)]
        for j, state in enumerate(new.tolist()):
            if state >= 0:
                names[state] = f"h_new_{j}"
        recipe = {}
        for k in np.flatnonzero(active[self._first :]).tolist():
            op = OPERATIONS[ops[k]]
            read = [names[source] for source in inputs[k, : ARITY[op]].tolist()]
            recipe[names[self._first + k]] = {"op": op.removesuffix("_3"), "input": read}
        return recipe

    def build(self, arch: Architecture, *, inputs: int = 400, width: int = 400) -> RecurrentCell:
        """The cell as a module: input (B, inputs) and old states → output (B, width), new states.

        The benchmark's language models have three of them in a row, of widths 600, 600 and 400,
        between an embedding of 400 and a classifier that shares its weights.

        Args:
            arch: The cell.
            inputs: Number of features of the input.
            width: Width of each hidden state.

        Raises:
            InvalidValueError: The widths differ, and an operation other than a linear map reads the
                input.
        """
        from optiproxy.spaces.networks.recurrent import RecurrentCell

        return RecurrentCell(self.recipe(self.architecture(arch)), inputs, width)

    def parse_form(self, form: Any) -> Mapping[str, Any]:
        """Reads a recipe too, in any order of its nodes."""
        loaded = super().parse_form(form)
        if loaded and all(isinstance(node, dict) for node in loaded.values()):
            return self._from_recipe(loaded)
        return loaded

    def _from_recipe(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        known = {"x": "x", **{f"h_prev_{j}": f"h_prev_{j}" for j in range(self.hidden)}}
        if len(recipe) > self.nodes:
            raise ValueError(f"it has {len(recipe)} nodes; the space holds {self.nodes}")
        for name, node in recipe.items():
            inputs = node.get("input")
            if not isinstance(inputs, list) or not all(isinstance(i, str) for i in inputs):
                raise ValueError(f"node {name!r} needs a list of names as its input")
            if (_operation(node.get("op"), len(inputs))) is None:
                raise ValueError(f"node {name!r}: no operation {node.get('op')!r} of {len(inputs)}")
            for source in inputs:
                if source not in known and source not in recipe:
                    raise ValueError(f"node {name!r} reads {source!r}, which does not exist")
        states = [f"h_new_{j}" for j in range(self.hidden)]
        mapping: dict[str, Any] = {}
        waiting = dict(recipe)
        while waiting:
            ready = next(
                (n for n, node in waiting.items() if set(node["input"]) <= set(known)), None
            )
            if ready is None:
                raise ValueError(f"a cycle among {', '.join(waiting)}")
            node, k = waiting.pop(ready), len(recipe) - len(waiting)
            mapping[f"op{k}"] = _operation(node["op"], len(node["input"]))
            read = [known[source] for source in node["input"]]
            for slot in range(SLOTS):
                mapping[f"op{k}_in{slot + 1}"] = read[slot] if slot < len(read) else "x"
            known[ready] = f"node_{k}"
        for k in range(len(recipe) + 1, self.nodes + 1):
            mapping[f"op{k}"] = OPERATIONS[0]
            mapping |= {f"op{k}_in{slot + 1}": "x" for slot in range(SLOTS)}
        if states[0] not in recipe:
            raise ValueError("h_new_0 is missing")
        mapping |= {state: known.get(state) for state in states}
        return mapping

    def picture(self, arch: Architecture) -> str:
        """The recipe, a line for each node."""
        return "\n".join(
            f"{name} = {node['op']}({', '.join(node['input'])})"
            for name, node in self.recipe(arch).items()
        )

    def drawings(self, arch: Architecture) -> tuple[Drawing, ...]:
        """The recipe: x and the old states, the operations, the new states."""
        recipe = self.recipe(arch)
        read = {source for node in recipe.values() for source in node["input"]}
        names = [*sorted(read - set(recipe), reverse=True), *recipe]
        vertices = [
            Vertex("operation", (recipe[name]["op"],))
            if name in recipe
            else Vertex("input", (name,))
            for name in names
        ]
        joined = [(names.index(s), names.index(n)) for n in recipe for s in recipe[n]["input"]]
        for name in (name for name in names if name.startswith("h_new_")):
            joined.append((names.index(name), len(vertices)))
            vertices.append(Vertex("output", (name,)))
        return (drawing(vertices, joined),)


def _operation(op: object, inputs: int) -> str | None:
    """The option for a recipe's operation with this number of inputs, if there is one."""
    name = "linear_3" if op == "linear" and inputs == ARITY["linear_3"] else op
    return name if isinstance(name, str) and ARITY.get(name) == inputs else None
