"""What kind of failure an evaluation had, as searches store it and users name it."""

from __future__ import annotations

import errno
import traceback

from optiproxy.errors import EvaluatorMistake

OUT_OF_MEMORY = "oom"
TIME_LIMIT = "time-limit"
NOT_FINITE = "nan"
DIED = "died"
DEVICE = "device"
DISK = "disk"
MISTAKE = "mistake"
#: Kinds that say nothing about the architecture: a broken device, a full disk, a wrong call by the
#: evaluator.
BLAMELESS = frozenset({DEVICE, DISK, MISTAKE})

# Characters of a traceback that are stored; the end of it says most.
_LONGEST = 10_000

# What accelerators and allocators say; the first match decides.
_MESSAGES = (
    ("out of memory", OUT_OF_MEMORY),
    ("can't allocate memory", OUT_OF_MEMORY),  # torch on a CPU
    ("not enough memory", OUT_OF_MEMORY),  # torch on a CPU under Windows
    ("cuda error", DEVICE),
    ("hip error", DEVICE),
    ("nccl error", DEVICE),
    ("cudnn_status", DEVICE),
    ("cublas_status", DEVICE),
    ("inline_container", DISK),  # torch.save
)


def kind_of(error: BaseException) -> str:
    """The kind of an evaluator's exception.

    >>> kind_of(RuntimeError("CUDA error: an illegal memory access was encountered"))
    'device'

    Returns:
        ``"oom"``, ``"device"``, ``"disk"``, ``"mistake"``, or the name of the exception's class.
    """
    if isinstance(error, EvaluatorMistake):
        return MISTAKE
    name = type(error).__name__
    if isinstance(error, MemoryError) or name == "OutOfMemoryError":
        return OUT_OF_MEMORY
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DISK
    if isinstance(error, RuntimeError):
        try:
            text = str(error).lower()
        except Exception:  # Of the user's own class.
            return name
        for part, kind in _MESSAGES:
            if part in text:
                return kind
    return DEVICE if name == "AcceleratorError" else name


def traceback_of(error: BaseException) -> str:
    """The exception's traceback as Python prints it, as far as it can be stored."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # An exception of the user's own that can't be printed.
        text = "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _LONGEST else "…\n" + text[-_LONGEST:]
