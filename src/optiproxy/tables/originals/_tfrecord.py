"""TFRecord files without TensorFlow: framing, masked CRC-32C, and the protobuf wire format.

A record is its length (8 bytes, little-endian), the masked CRC of those, the data, and their masked
CRC. Checksums are computed for many records at once, a byte of each at a time.

References: TensorFlow's guide "TFRecord and tf.train.Example"; RFC 3720, appendix B.4 (CRC-32C);
Protocol Buffers, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import IO

import numpy as np
from numpy.typing import NDArray

from optiproxy.errors import DataError

# Records whose checksums are computed together, and the bytes that they may take for it, each being
# filled up to the longest.
TOGETHER, ROOM = 8192, 1 << 26
# Far above any record of a benchmark; a length beyond it is a broken one.
LONGEST = 1 << 18


def records(file: IO[bytes]) -> Iterator[bytes]:
    """The data of every record, in order; each has been verified.

    Raises:
        DataError: A record is cut short, or not what its checksum says.
    """
    first = 0
    done = False
    while not done:
        heads: list[bytes] = []
        bodies: list[bytes] = []
        tails: list[bytes] = []
        longest = 0
        while len(heads) < TOGETHER and len(heads) * longest < ROOM:
            head = file.read(12)
            if not head:
                done = True
                break
            number = first + len(heads)
            if len(head) < 12:
                raise _cut(number)
            (length,) = struct.unpack_from("<Q", head)
            if length > LONGEST:
                raise _altered(number)
            rest = file.read(length + 4)
            if len(rest) < length + 4:
                raise _cut(number)
            longest = max(longest, length)
            heads.append(head)
            bodies.append(rest[:-4])
            tails.append(rest[-4:])
        _verify(first, [head[:8] for head in heads], [head[8:] for head in heads])
        _verify(first, bodies, tails)
        first += len(heads)
        yield from bodies


def masked_crc32c(texts: Sequence[bytes]) -> NDArray[np.uint32]:
    """The masked CRC-32C of each text, (len(texts),)."""
    crc = crc32c(texts).astype(np.uint64)
    # tensorflow/core/lib/hash/crc32c.h: rotated right by 15, plus a constant.
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8 & 0xFFFFFFFF).astype(np.uint32)


def crc32c(texts: Sequence[bytes]) -> NDArray[np.uint32]:
    """The CRC-32C (Castagnoli) of each text, (len(texts),)."""
    if not texts:
        return np.empty(0, np.uint32)
    lengths = np.array([len(text) for text in texts])
    order = np.argsort(-lengths, kind="stable")  # Longest first: those left form a prefix.
    width = int(lengths.max())
    padded = np.zeros((len(texts), width), np.uint8)
    for row, index in enumerate(order.tolist()):
        padded[row, : lengths[index]] = np.frombuffer(texts[index], np.uint8)
    columns = np.ascontiguousarray(padded.T)
    left = np.searchsorted(-lengths[order], -np.arange(1, width + 1), side="right")
    table = _table()
    crc = np.full(len(texts), 0xFFFFFFFF, np.uint32)
    for position, count in enumerate(left.tolist()):
        part = crc[:count]
        crc[:count] = table[(part ^ columns[position, :count]) & 0xFF] ^ (part >> 8)
    found = np.empty_like(crc)
    found[order] = ~crc
    return found


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint32]:
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        # The reflected polynomial of CRC-32C.
        crc = np.where(crc & 1, (crc >> 1) ^ np.uint32(0x82F63B78), crc >> 1)
    return crc


def _verify(first: int, texts: Sequence[bytes], sums: Sequence[bytes]) -> None:
    given = np.frombuffer(b"".join(sums), "<u4")
    wrong = np.flatnonzero(masked_crc32c(texts) != given)
    if len(wrong):
        raise _altered(first + int(wrong[0]))


def _cut(number: int) -> DataError:
    return DataError(f"it is cut short in record {number}")


def _altered(number: int) -> DataError:
    return DataError(f"record {number} is not what its checksum says: the file is altered")


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a protobuf message, in order: number and value.

    A value is an integer (varint), a float (double or float), or bytes (text, another message).

    Raises:
        DataError: It is no protobuf message.
    """
    at, end = 0, len(message)
    try:
        while at < end:
            tag, at = _varint(message, at)
            number, kind = tag >> 3, tag & 7
            if kind == 0:
                value, at = _varint(message, at)
                yield number, value
            elif kind == 1:
                yield number, struct.unpack_from("<d", message, at)[0]
                at += 8
            elif kind == 2:
                length, at = _varint(message, at)
                if at + length > end:
                    raise DataError("a protobuf message is cut short")
                yield number, message[at : at + length]
                at += length
            elif kind == 5:
                yield number, struct.unpack_from("<f", message, at)[0]
                at += 4
            else:
                raise DataError(f"a protobuf message has a field of the unknown kind {kind}")
    except (IndexError, struct.error):
        raise DataError("a protobuf message is cut short") from None


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise DataError("a protobuf message has a number of more than 64 bits")
