"""The Python of the documentation runs, and the commands, options and files that it names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
OTHERS = [*sorted(ROOT.glob("*.md")), ROOT / "examples" / "plugin" / "README.md"]
OPTIPROXY = Path(sys.executable).with_name("optiproxy")


def _fences(page: Path, language: str) -> list[str]:
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    return [t.content for t in tokens if t.type == "fence" and t.info.strip() == language]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in [ROOT / "README.md", *PAGES] if _fences(page, "python")],
    ids=lambda page: page.stem,
)
def test_python_of_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    # In another process, as for a reader: a page writes files and may start workers.
    code = "\n".join(_fences(page, "python"))
    for module in re.findall(r"^from (sklearn)", code, re.M):
        pytest.importorskip(module)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_commands_and_options_of_a_page_exist(page: Path) -> None:
    lines = [
        line.split("#")[0].split()
        for text in _fences(page, "")
        for line in text.replace("\\\n", " ").splitlines()
        if line.startswith("optiproxy ")
    ]
    for words in lines:
        command = words[1:3] if words[1] == "data" else words[1:2]
        done = subprocess.run(
            [OPTIPROXY, *command, "--help"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (words, done.stderr)
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"{option}\b", done.stdout), words


@pytest.mark.parametrize("page", [*OTHERS, *PAGES], ids=lambda page: page.stem)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)]+)\)", text)
    files = [target for target in targets if not target.startswith(("https://", "#"))]
    paths = [target.partition("#")[0] for target in files]
    assert [path for path in paths if not (page.parent / path).exists()] == []


def test_table_of_tasks_equals_the_catalogue() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "tasks_table.py", "--check"], check=False
    )
    assert done.returncode == 0, "docs/tasks.md: run python scripts/tasks_table.py"


def test_every_page_is_in_the_navigation_once() -> None:
    index = ROOT / "docs" / "index.md"
    named = [line for text in _fences(index, "{toctree}") for line in text.splitlines()]
    pages = sorted(line for line in named if line and not line.startswith((":", "api/")))
    assert pages == sorted(page.stem for page in PAGES if page != index)
