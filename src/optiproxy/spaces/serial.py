"""Spaces as JSON, so that programs in any language can define one; `schema` documents the form.

>>> space = from_json({"kind": "chain", "choices": {"depth": [1, 2, 3], "width": [16, 32]}})
>>> space.count
6
>>> to_json(space)
{'kind': 'chain', 'choices': {'depth': [1, 2, 3], 'width': [16, 32]}}
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
)

from optiproxy.errors import InvalidValueError, invalid
from optiproxy.spaces.base import Space
from optiproxy.spaces.cell import Cell
from optiproxy.spaces.chain import Chain
from optiproxy.spaces.conditional import Conditional
from optiproxy.spaces.numbers import Float, Int, Number

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Option = bool | int | float | str | None
_List = Annotated[list[Option], Field(description="Different values, in order.")]
_Rules = Annotated[
    list[str],
    Field(description="Rules that every architecture keeps: 'width2 <= width1', see `Chain`."),
]
_Term = dict[str, list[Option]]

_Read = TypeVar("_Read")


class Definition(BaseModel):
    """Base of all forms: fields that are not known are mistakes, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class FloatDefinition(Definition):
    """A number of a range: `optiproxy.spaces.Float`."""

    kind: Literal["float"]
    low: float
    high: float
    log: bool = False
    step: float | None = None

    def options(self) -> Sequence[Any]:
        return Float(self.low, self.high, log=self.log, step=self.step)


class IntDefinition(Definition):
    """A whole number of a range: `optiproxy.spaces.Int`."""

    kind: Literal["int"]
    low: int
    high: int
    log: bool = False
    step: int = 1

    def options(self) -> Sequence[Any]:
        return Int(self.low, self.high, log=self.log, step=self.step)


_Range = Annotated[FloatDefinition | IntDefinition, Field(discriminator="kind")]
# Of two forms the error names only mistakes in the one that was meant.
_Options = Annotated[
    Annotated[_List, Tag("list")] | Annotated[_Range, Tag("range")],
    Discriminator(lambda options: "range" if isinstance(options, Mapping) else "list"),
]
_Choices = Annotated[
    dict[str, _Options],
    Field(description="Name → options, in order, or the numbers of a range."),
]


def _read_choices(choices: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    return {
        name: options if isinstance(options, list) else options.options()
        for name, options in choices.items()
    }


class ChainDefinition(Definition):
    """Independent choices in a row: `optiproxy.spaces.Chain`."""

    kind: Literal["chain"]
    choices: _Choices
    where: _Rules = []

    def space(self) -> Space:
        return Chain(_read_choices(self.choices), where=self.where)


class ConditionalDefinition(Definition):
    """Choices that exist only where others have certain options: `spaces.Conditional`."""

    kind: Literal["conditional"]
    choices: _Choices
    when: Annotated[
        dict[str, _Term | list[_Term]],
        Field(
            description="Choice → {parent: [option, …]}: it exists where every parent has one of "
            "these options; of a list of such objects, where any of them holds."
        ),
    ]
    where: _Rules = []

    def space(self) -> Space:
        return Conditional(_read_choices(self.choices), self.when, where=self.where)


class CellDefinition(Definition):
    """A cell with an operation on every edge i > j of its nodes: `optiproxy.spaces.Cell`."""

    kind: Literal["cell"]
    nodes: Annotated[int, Field(description="Input and output included; 2 or more.")]
    operations: list[str]

    def space(self) -> Space:
        return Cell(self.nodes, self.operations)


SpaceDefinition = Annotated[
    ChainDefinition | ConditionalDefinition | CellDefinition, Field(discriminator="kind")
]


def from_json(value: Any) -> Space:
    """The space that a JSON object defines.

    Args:
        value: The object as Python has it, a mapping; see `schema`.

    Raises:
        InvalidValueError: With all mistakes.
    """
    found: ChainDefinition | ConditionalDefinition | CellDefinition = read(
        SpaceDefinition, value, "space"
    )
    return found.space()


def to_json(space: Space) -> dict[str, Any]:
    """The JSON object that `from_json` reads.

    Raises:
        InvalidValueError: The space is of another kind than a chain, conditional or cell, such as a
            class of your own.
    """
    if type(space) is Cell:
        return {"kind": "cell", "nodes": space.nodes, "operations": list(space.operations)}
    rules = {"where": list(space.where)} if isinstance(space, Chain) and space.where else {}
    if type(space) is Conditional:
        choices = {n: _plain(o, n in space.when) for n, o in space.choices.items()}
        return {"kind": "conditional", "choices": choices, "when": _lists(space.when), **rules}
    if type(space) is Chain:
        choices = {n: _plain(o) for n, o in space.choices.items()}
        return {"kind": "chain", "choices": choices, **rules}
    raise invalid("space", repr(space), "only a Chain, a Conditional or a Cell can be JSON")


def schema() -> dict[str, Any]:
    """The JSON Schema of a space."""
    return TypeAdapter(SpaceDefinition).json_schema()


def read(kind: Any, value: Any, field: str) -> Any:
    """A value of a pydantic type.

    Args:
        kind: The type.
        value: What is read.
        field: What it is called in messages.

    Raises:
        InvalidValueError: With all mistakes.
    """
    adapter = TypeAdapter(kind)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        names = _fields(adapter.json_schema())
        raise InvalidValueError("; ".join(_mistakes(error, value, field, names))) from None


def _fields(schema: dict[str, Any]) -> list[str]:
    """The names of all fields of a JSON Schema."""
    parts = [schema, *schema.get("$defs", {}).values()]
    return [name for part in parts for name in part.get("properties", {})]


def _mistakes(
    error: ValidationError, value: Any, field: str, names: Sequence[str]
) -> Iterator[str]:
    found: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
    for mistake in error.errors(include_url=False):
        found.setdefault(_place(value, mistake), []).append(mistake)
    for place, (first, *others) in found.items():
        if any(len(other) > len(place) and other[: len(place)] == place for other in found):
            continue  # Of several types that are allowed here, another one fits but for a part.
        where = ".".join([field, *map(str, place)])
        if first["type"] == "missing":
            yield f"{where}: is missing"
        elif first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(place[-1]), names, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(names)}"
            yield f"{where}: there is no such field; {remedy}"
        else:
            said = [each["msg"][:1].lower() + each["msg"][1:] for each in (first, *others)]
            yield f"{where}: got {first['input']!r}; {' or '.join(said)}"


def _place(value: Any, mistake: ErrorDetails) -> tuple[str | int, ...]:
    """The keys and numbers that lead to a mistake, without names of the types that were tried."""
    place: list[str | int] = []
    for part in mistake["loc"]:
        inside = part in value if isinstance(value, dict) else isinstance(value, list)
        if inside and (isinstance(value, dict) or isinstance(part, int)):
            place.append(part)
            value = value[part]
    missing = mistake["loc"][-1:] if mistake["type"] == "missing" else ()
    return (*place, *missing)


def _plain(options: Sequence[Option], conditional: bool = False) -> Any:
    """The options of a choice as JSON, without the None of a conditional one."""
    return options.plain() if isinstance(options, Number) else list(options[conditional:])


def _lists(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, dict):
        return {name: _lists(inner) for name, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, tuple) else value
