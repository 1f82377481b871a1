"""The groups in which ``--help`` shows the options of a search."""

from __future__ import annotations

from cyclopts import Group, Parameter

# In this order.
WHAT = Parameter(group=Group("What is searched", sort_key=1))
LIMITS = Parameter(group=Group("Limits", sort_key=2))
HOW = Parameter(group=Group("How", sort_key=3))
WHERE = Parameter(group=Group("Where", sort_key=4))
