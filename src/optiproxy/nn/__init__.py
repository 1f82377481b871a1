"""A model as its own search space: by a function's choices, by choice points in a module,
by what may change in a network that exists."""

from optiproxy.nn.choose import Choose
from optiproxy.nn.modules import Choice, Repeat, Value
from optiproxy.nn.searchable import searchable
from optiproxy.nn.space import ModelSpace, space_of

__all__ = ["Choice", "Choose", "ModelSpace", "Repeat", "Value", "searchable", "space_of"]
