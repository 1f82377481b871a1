"""What the HTML pages share: the template's environment, how numbers are written, the script."""

from __future__ import annotations

import base64
import hashlib
import math
import os
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optiproxy import durations
from optiproxy._atomic_write import whole
from optiproxy.errors import invalid

if TYPE_CHECKING:
    import jinja2


def page(template: str, **content: Any) -> str:
    """The page of a template in this folder, with its style and script inside it."""
    script = _text("page.js")
    # Only this script runs, whatever the names of metrics and options are.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _environment().get_template(template).render(
        style=style() + _text("page.css"), script=script, script_hash=f"sha256-{digest}", **content
    )  # fmt: skip


def fragment(template: str, **content: Any) -> str:
    """A part of a page from a template in this folder, with the style of what it shows."""
    return _environment().get_template(template).render(style=style(), **content)


def style() -> str:
    """The style of charts and drawings, below a class ``optiproxy``."""
    return _text("figures.css")


def write_page(text: str, path: Path) -> Path:
    """Writes a page whole."""
    with whole(path) as unfinished:
        unfinished.write_text(text, "utf-8")
    return path


def check_page(path: str | os.PathLike[str]) -> Path:
    """`path`, if a page can be written there.

    Raises:
        InvalidValueError: It does not end in ``.html``, or its folder does not exist.
    """
    out = Path(path)
    if out.suffix.lower() not in (".html", ".htm"):
        raise invalid("report", str(out), "give a file that ends in .html")
    if not out.parent.is_dir():
        raise invalid("report", str(out), "its folder does not exist; make it first")
    return out


def number(value: object) -> str:
    """Whole numbers with thousands separators, others with six digits; a dash for None."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if value == int(value) and _grouped(value) else f"{value:.6g}"


def short(value: float) -> str:
    """A number of three digits, above a thousand whole."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if _grouped(value) else f"{value:.3g}"


def _grouped(value: float) -> bool:
    """Whether thousands separators help: beyond 15 digits, as of a diverged loss, none is exact."""
    return 1e3 <= abs(value) < 1e15


def change(value: float) -> str:
    """A difference with its sign and two digits."""
    sign = "+" if value > 0 else ""
    return f"{sign}{size(value)}"


def size(value: float) -> str:
    """A number of two digits, without an exponent where it is below a million."""
    if not math.isfinite(value):
        return "–"
    return f"{float(f'{value:.2g}'):,.6g}" if abs(value) < 1e6 else f"{value:.2g}"


def _text(name: str) -> str:
    return resources.files("optiproxy.report").joinpath(name).read_text("utf-8")


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    # Names, options and errors of users are escaped.
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_text),
    )
    environment.filters.update(
        number=number, time=durations.rounded, change=change, size=size, short=short
    )
    return environment
