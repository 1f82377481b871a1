"""The example in a notebook: its cells run from the first to the last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"


@pytest.mark.slow
def test_the_cells_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    content = json.loads(NOTEBOOK.read_text("utf-8"))
    names: dict[str, Any] = {}
    for cell in content["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []  # What a run leaves is not committed.
            exec(compile(source, cell["id"], "exec"), names)
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["optiproxy", "random"]
    assert out.count("edge ") == 6
    assert "<svg" in names["study"]._repr_html_()
    assert (tmp_path / "report.html").is_file()
    assert "For the real thing" in "".join(content["cells"][0]["source"])
