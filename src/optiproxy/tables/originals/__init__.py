"""Benchmarks in the files of their authors: read safely, converted once to Parquet.

One module for each format; `convert` picks it by the file's name and its first bytes.
"""

from optiproxy.tables.originals.base import Original, Progress
from optiproxy.tables.originals.catalogue import ORIGINALS, convert, original, recognise

__all__ = ["ORIGINALS", "Original", "Progress", "convert", "original", "recognise"]
