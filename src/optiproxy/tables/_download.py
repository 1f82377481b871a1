"""Downloading a benchmark's own file: through pooch, going on where it broke off."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from optiproxy.errors import DataError
from optiproxy.tables.originals import Original, Progress

# Seconds without a byte after which a connection counts as broken.
PATIENCE = 30
# Bytes that are written at once, and lost at most if the connection breaks.
_CHUNK = 1 << 16


def download(original: Original, folder: Path, progress: Progress | None) -> Path:
    """Downloads a file into `folder`; it is there already if an earlier call has finished it.

    Args:
        original: What is downloaded; its checksum is verified where there is one.
        folder: Where it goes.
        progress: Called as it goes.

    Raises:
        DataError: It can only be downloaded by hand, the address can't be reached, or the file is
            not what its checksum says.
    """
    if not original.url:
        raise DataError(
            f"{original.name}: it is offered at {original.page}, which wants a browser; download "
            f"{original.files[0]} there{_size(original)}, then run: optiproxy data add FILE"
        )
    # Imported here: a listing of tables needs no network.
    import pooch
    import requests

    # What pooch says of an unpinned file is for its own users.
    pooch.get_logger().setLevel(logging.ERROR)
    name = original.files[0]
    part = folder / f"{name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = pooch.retrieve(
            original.url,
            known_hash=f"sha256:{original.sha256}" if original.sha256 else None,
            fname=name,
            path=folder,
            downloader=_Resuming(part, progress or (lambda *_: None)),
        )
    except requests.RequestException as error:
        kept = f"; {part.stat().st_size:,} bytes are kept" if part.is_file() else ""
        raise DataError(
            f"{original.url}: it can't be downloaded ({_short(error)}){kept}; run it again when "
            f"the network is there, or download {name} elsewhere and run: optiproxy data add FILE"
        ) from None
    except ValueError:
        # pooch's own check; the file has gone with it.
        raise DataError(
            f"{original.url}: what is there has not the SHA-256 {original.sha256}; try again "
            "later, or ask the publisher"
        ) from None
    except OSError as error:
        raise DataError(f"{folder}: it can't be written ({error}); make room there") from None
    return Path(found)


class _Resuming:
    """A downloader for pooch that keeps what it has, and asks for the rest.

    Only if the server's file is still the same one (its entity tag), which the server decides.
    """

    def __init__(self, part: Path, progress: Progress) -> None:
        self._part = part
        self._tag = part.with_name(f"{part.name}-tag")
        self._progress = progress

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        import requests

        headers = {"Accept-Encoding": "identity"}
        have = self._part.stat().st_size if self._part.is_file() else 0
        if have and self._tag.is_file():
            headers |= {"Range": f"bytes={have}-", "If-Range": self._tag.read_text()}
        with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as answer:
            answer.raise_for_status()
            if answer.status_code != requests.codes.partial_content:
                have = 0
            self._tag.unlink(missing_ok=True)
            tag = answer.headers.get("ETag", "")
            # A weak tag says that files are alike, not that their bytes are the same.
            if tag and not tag.startswith("W/"):
                self._tag.write_text(tag)
            length = answer.headers.get("Content-Length", "")
            total = have + int(length) if length.isdigit() else 0
            with open(self._part, "ab" if have else "wb") as file:
                for chunk in answer.iter_content(_CHUNK):
                    file.write(chunk)
                    have += len(chunk)
                    self._progress("downloading", have / total if total else 0.0)
            if total and have < total:
                raise requests.ConnectionError(f"it broke off after {have:,} of {total:,} bytes")
        self._tag.unlink(missing_ok=True)
        self._part.replace(output_file)


def _size(original: Original) -> str:
    return f" ({original.size})" if original.size else ""


def _short(error: Exception) -> str:
    """The innermost reason: the others name objects of the library."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    return str(reason if isinstance(reason, Exception) else error).rpartition(">: ")[2]
