"""Downloading a benchmark's own file, from a server on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from optiproxy.cli.app import run
from optiproxy.errors import DataError, InvalidValueError
from optiproxy.tables import originals, store
from optiproxy.tables.originals import catalogue


class Server(http.server.ThreadingHTTPServer):
    """Serves one file with ranges; may break off, refuse, or have no tag."""

    content = b""
    tag = '"one"'
    stop_after = -1

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        if self.path != "/logs.zip":
            self.send_error(404)
            return
        first = 0
        if wanted and self.headers.get("If-Range") == self.server.tag:
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
        part = self.server.content[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(part)))
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        self.end_headers()
        sent = part if self.server.stop_after < 0 else part[: self.server.stop_after]
        self.wfile.write(sent)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture
def logs(tmp_path: Path) -> bytes:
    """A zip with a log of NAS-Bench-NLP."""
    import io
    import zipfile

    log = {
        "data": "data/ptb", "recepie_id": 3, "recepie": "{}", "experiment_id": 1, "status": "OK",
        "num_params": 5, "val_losses": [4.5], "test_losses": [4.0], "train_losses": [4.0],
        "wall_times": [1.0],
    }  # fmt: skip
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("log.json", json.dumps(log))
        archive.writestr("filling.bin", bytes(range(256)) * 2000)
    return content.getvalue()


@pytest.fixture(autouse=True)
def _one_original(home: Path, server: Server, logs: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    server.content = logs
    _publish(monkeypatch, url=f"http://127.0.0.1:{server.server_port}/logs.zip")


def _publish(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    changed = dataclasses.replace(originals.original("nasbench-nlp"), **changes)
    monkeypatch.setitem(catalogue._BY_NAME, "nasbench-nlp", changed)


def _downloads() -> list[str]:
    folder = store._downloads()
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def test_fetched_converted_and_found(
    server: Server, logs: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(monkeypatch, sha256=hashlib.sha256(logs).hexdigest())
    steps: list[tuple[str, float]] = []
    [(name, path)] = store.fetch("nasbench-nlp", lambda *step: steps.append(step))
    assert (name, store.find(name)) == ("nasbench_nlp_ptb", path)
    assert ("downloading", 1.0) in steps
    assert steps[-1] == ("done", 1.0)
    assert _downloads() == []
    # Named by its table, it is the same file.
    assert store.fetch("nasbench_nlp_ptb") == [(name, path)]
    path.write_bytes(b"PAR1 half")
    assert store.status(name).status == "broken"
    with pytest.raises(DataError, match=r"cut short; replace .* data fetch nasbench-nlp"):
        store.find(name)


def test_what_has_no_checksum_is_said_with_the_one_it_has(
    server: Server, logs: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sha256 = hashlib.sha256(logs).hexdigest()
    store.fetch("nasbench-nlp")
    assert f"publish no checksum; the SHA-256 of what was downloaded is {sha256}" in caplog.text
    caplog.clear()
    _publish(monkeypatch, sha256=sha256)
    store.fetch("nasbench-nlp")
    assert not caplog.text


def test_a_broken_download_goes_on(server: Server, logs: bytes) -> None:
    server.stop_after = 100_000
    for _ in range(2):
        with pytest.raises(DataError, match=r"can't be downloaded .*bytes are kept; run it again"):
            store.fetch("nasbench-nlp")
    assert _downloads() == ["logs.zip.part", "logs.zip.part-tag"]
    server.stop_after = -1
    [(_, path)] = store.fetch("nasbench-nlp")
    assert path.is_file()
    assert server.asked == ["", "bytes=65536-", "bytes=131072-"]


def test_a_file_that_changed_is_downloaded_from_its_beginning(server: Server) -> None:
    server.stop_after = 100_000
    with pytest.raises(DataError, match="bytes are kept"):
        store.fetch("nasbench-nlp")
    server.stop_after, server.tag = -1, '"two"'
    store.fetch("nasbench-nlp")
    assert server.asked == ["", "bytes=65536-"]


def test_without_a_strong_tag_nothing_is_pieced_together(server: Server) -> None:
    server.tag, server.stop_after = 'W/"weak"', 100_000
    with pytest.raises(DataError, match="bytes are kept"):
        store.fetch("nasbench-nlp")
    server.stop_after = -1
    store.fetch("nasbench-nlp")
    assert server.asked == ["", ""]


def test_another_checksum_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(monkeypatch, sha256="0" * 64)
    with pytest.raises(DataError, match=f"has not the SHA-256 {'0' * 64}"):
        store.fetch("nasbench-nlp")
    assert _downloads() == []
    assert store.status("nasbench_nlp_ptb").status == "missing"


def test_what_is_downloaded_but_broken_is_told(server: Server) -> None:
    server.content = b"<html>maintenance</html>"
    with pytest.raises(DataError, match=r"logs\.zip: .*no zip.*nothing was converted"):
        store.fetch("nasbench-nlp")
    assert _downloads() == []  # It would only be read again.


def test_no_network_and_no_such_page(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _publish(monkeypatch, url=f"http://127.0.0.1:{server.server_port}/gone")
    with pytest.raises(DataError, match=r"\(404 .*; run it again when the network is there"):
        store.fetch("nasbench-nlp")
    _publish(monkeypatch, url="http://127.0.0.1:9/logs.zip")
    with pytest.raises(DataError, match=r"refused\); run it again .* optiproxy data add FILE"):
        store.fetch("nasbench-nlp")


def test_what_wants_a_browser_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"drive\.google\.com/.*a browser; download NATS-tss"):
        store.fetch("nats-tss")
    assert run(["data", "fetch", "nb201-v1-1"]) == 1
    told = capsys.readouterr().err
    assert "wants a browser" in told
    assert told.count("\n") == 1


def test_repacked_tables_have_no_address() -> None:
    with pytest.raises(DataError, match="put together from blyucs/OptiProxy-NAS"):
        store.fetch("nb201_accuracy")
    with pytest.raises(InvalidValueError, match="did you mean 'nasbench101'"):
        store.fetch("nasbench10l")


def test_command_line(
    server: Server, logs: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "fetch", "nasbench-nlp"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("nasbench_nlp_ptb: ")
    assert "downloading" in err
    (tmp_path / "logs (2).zip").write_bytes(logs)
    assert run(["data", "add", str(tmp_path / "logs (2).zip")]) == 0
    assert capsys.readouterr().out.startswith("nasbench_nlp_ptb: ")
    assert run(["data", "list"]) == 0
    listed = capsys.readouterr().out
    assert "nasbench_nlp_ptb" in listed
    assert "optiproxy data fetch nasbench101" in listed
    assert "optiproxy data fetch nasbench-nlp" not in listed.split("nasbench_nlp_ptb")[0]


def test_a_folder_may_have_tables_and_files(
    logs: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "logs.zip").write_bytes(logs)
    table = b"a table"
    (folder / "t.parquet").write_bytes(table)
    known = store.TableFile("t", "t.parquet", hashlib.sha256(table).hexdigest(), 1, "", "", "")
    monkeypatch.setattr(store, "KNOWN", (known,))
    assert [name for name, _ in store.add(folder)] == ["t", "nasbench_nlp_ptb"]
