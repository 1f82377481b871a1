"""The documentation's site: built without a warning, a dead link, or anything from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

import optiproxy as op

DOCS = Path(__file__).parents[2] / "docs"


class Page(HTMLParser):
    """What a page links to, and where it can be linked to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        for name in ("href", "src"):
            if given.get(name):
                (self.links if tag == "a" else self.loads).append(str(given[name]))


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def pages(self) -> dict[Path, Page]:
        return {file.resolve(): Page(file) for file in self.folder.rglob("*.html")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    pytest.importorskip("furo")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", folder / "doctrees",
         DOCS, folder / "html"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Site(folder / "html")


@pytest.mark.slow
def test_no_link_is_dead(site: Site) -> None:
    dead = []
    for file, page in site.pages.items():
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            anchors = site.pages[target].anchors if target in site.pages else {parts.fragment}
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                dead.append(f"{file.name}: {link}")
    assert dead == []


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    loads = {link for page in site.pages.values() for link in page.loads}
    assert [link for link in loads if urlsplit(link).netloc] == []


@pytest.mark.slow
def test_every_public_name_is_described(site: Site) -> None:
    """Where it is made, so by the last part of its name."""
    api = (page for file, page in site.pages.items() if file.parent.name == "api")
    described = {anchor.rpartition(".")[2] for page in api for anchor in page.anchors}
    things = {name: getattr(op, name) for name in op.__all__}
    names = {name for name, thing in things.items() if not isinstance(thing, ModuleType | str)}
    assert sorted(names - described) == []


@pytest.mark.slow
def test_the_first_page_links_all_that_it_names(site: Site) -> None:
    """A link that leads nowhere is left as text; `examples` is a page and a folder."""
    assert '<span class="xref myst">' not in (site.folder / "index.html").read_text("utf-8")
