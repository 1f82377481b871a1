"""Printing what others have named, of which a terminal must not obey control characters."""

from __future__ import annotations

import re
from typing import TextIO

# Of C0 all but tab and newline, delete, and C1.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def escaped(text: object) -> str:
    r"""The text with control characters as Python writes them, such as ``\x1b``."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", str(text))


def say(text: object, *, file: TextIO | None = None) -> None:
    """Prints a text, with control characters escaped, and at once."""
    print(escaped(text), file=file, flush=True)
