"""What `Study.run` calls while it searches."""

from __future__ import annotations

from collections.abc import Callable as Function
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, runtime_checkable

from optiproxy.errors import invalid
from optiproxy.study.records import Record


@runtime_checkable
class Callback(Protocol):
    """An object that follows a run of a `Study`, in the process of the run."""

    def begin(self, study: Any) -> None:
        """Called before the first query of the run. What it raises ends the run."""

    def __call__(self, record: Record) -> None:
        """Called with each finished query of the run, failed ones included."""

    def end(self, study: Any) -> None:
        """Called when the run ends, however it does."""


#: A function of a record is called with each finished query, as a callback is.
Callbacks = Iterable[Callback | Function[[Record], None]]


def check_callbacks(callbacks: Callbacks) -> None:
    """Raises InvalidValueError where one can't be called."""
    for callback in callbacks:
        if not callable(callback):
            raise invalid("callback", callback, "give a function of one record, or a Callback")


@contextmanager
def following(study: Any, callbacks: Callbacks) -> Iterator[Function[[Record], None]]:
    """Begins and ends the callbacks of a run; gives the function to be called with each query."""
    given = list(callbacks)

    def finished(record: Record) -> None:
        for callback in given:
            callback(record)

    with ExitStack() as stack:
        for callback in given:
            if isinstance(callback, Callback):
                callback.begin(study)
                stack.callback(callback.end, study)
        yield finished
