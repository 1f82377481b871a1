"""A page in headless Chromium: what it measures, and what its console says."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")

# The page stands in a frame of the wanted width, and its frame reads it once it is laid out.
_FRAME = """<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<iframe style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe>
<script>addEventListener("load", () => {{
  const view = frames[0], page = view.document, root = page.documentElement;
  const all = [...page.querySelectorAll("body *")];
  const wide = (e) => e.getBoundingClientRect().right > root.clientWidth + 1;
  const out = all.filter((e) => wide(e) && !e.closest(".scroll *"))
    .map((e) => e.tagName + "." + e.getAttribute("class") + " " + e.textContent.slice(0, 40));
  const read = (view, page) => {{ {read} }};
  const found = {{ scroll: root.scrollWidth, client: root.clientWidth, out, ...read(view, page) }};
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify(found);
  document.body.replaceChildren(result);
}});</script>"""


def visit(
    page: str, folder: Path, *, width: int, dark: bool = False, read: str = "return {};"
) -> Any:
    """Opens a page and returns what it measured.

    Args:
        page: The HTML.
        folder: For the browser's files.
        width: Of the window, in pixels.
        dark: What the reader prefers.
        read: Body of a function of `view` (the window) and `page` (the document) that returns what
            else is wanted.

    Returns:
        ``scroll`` and ``client``, the widths of content and window; ``out``, what stands out on the
        right; ``console``, what the console said; and what `read` returned.
    """
    file = folder / "frame.html"
    file.write_text(_FRAME.format(width=width, page=html.escape(page), read=read), "utf-8")
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--dump-dom",
            file.as_uri(),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    result = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert result is not None, done.stderr
    found = json.loads(html.unescape(result[1]))
    found["console"] = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return found
