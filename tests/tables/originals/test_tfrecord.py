"""TFRecord framing, checksums and the protobuf wire format."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiproxy.errors import DataError
from optiproxy.tables.originals import _tfrecord
from optiproxy.tables.originals._tfrecord import crc32c, fields, masked_crc32c, records


def framed(*texts: bytes) -> bytes:
    """A TFRecord file with these records."""
    parts = []
    for text in texts:
        length = struct.pack("<Q", len(text))
        sums = masked_crc32c([length, text])
        parts += [length, struct.pack("<I", sums[0]), text, struct.pack("<I", sums[1])]
    return b"".join(parts)


def test_checksums_are_those_of_the_standard() -> None:
    """RFC 3720, appendix B.4, and the check value of CRC-32C."""
    texts = [bytes(32), b"\xff" * 32, bytes(range(32)), bytes(reversed(range(32))), b"123456789"]
    assert [int(crc) for crc in crc32c(texts)] == [
        0x8A9136AA, 0x62A8AB43, 0x46DD794E, 0x113FDB5C, 0xE3069283,
    ]  # fmt: skip


def test_masked_checksum_is_tensorflow_s() -> None:
    """A record with the text "hello", as `tf.io.TFRecordWriter` writes it."""
    # Masking is a rotation and a constant: undone, it gives the plain checksum back.
    masked = int(masked_crc32c([b"hello"])[0])
    turned = (masked - 0xA282EAD8) & 0xFFFFFFFF
    assert ((turned >> 17) | (turned << 15)) & 0xFFFFFFFF == int(crc32c([b"hello"])[0])


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_records_are_read_back(texts: list[bytes]) -> None:
    assert list(records(io.BytesIO(framed(*texts)))) == texts


def test_more_records_than_are_verified_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tfrecord, "TOGETHER", 4)
    texts = [bytes([i]) * i for i in range(8)]
    assert list(records(io.BytesIO(framed(*texts)))) == texts


def test_every_altered_byte_is_found() -> None:
    content = framed(b"first", b"second")
    for at in range(len(content)):
        altered = bytearray(content)
        altered[at] ^= 0x10
        with pytest.raises(DataError, match=r"record [01] is not what|cut short in record [01]"):
            list(records(io.BytesIO(altered)))


def test_every_truncation_within_a_record_is_found() -> None:
    content = framed(b"first", b"second")
    whole = {0, len(framed(b"first"))}
    for size in set(range(len(content))) - whole:
        with pytest.raises(DataError, match="cut short in record"):
            list(records(io.BytesIO(content[:size])))


def test_message_s_fields_are_read() -> None:
    message = (
        b"\x08\xac\x02"  # 1: 300
        b"\x11" + struct.pack("<d", 0.5) + b"\x1a\x03abc\x25" + struct.pack("<f", 0.25)
    )
    assert list(fields(message)) == [(1, 300), (2, 0.5), (3, b"abc"), (4, 0.25)]


@pytest.mark.parametrize(
    "message", [b"\x08", b"\x11\0\0", b"\x1a\x05abc", b"\x0b", b"\x08" + b"\xff" * 11]
)
def test_broken_messages_are_told(message: bytes) -> None:
    with pytest.raises(DataError, match="protobuf message"):
        list(fields(message))
