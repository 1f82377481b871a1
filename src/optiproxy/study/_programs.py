"""A study whose queries other programs evaluate on their own."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optiproxy import durations
from optiproxy.errors import StudyError, whole_number
from optiproxy.study import environment
from optiproxy.study._checks import check_cheap_budget
from optiproxy.study._storage.identity import BUDGET, CHEAP_BUDGET, ENVIRONMENT
from optiproxy.study._storage.open import storage_errors
from optiproxy.study.asked import Asked, Programs, read_answers
from optiproxy.study.results import StudyResults

_logger = logging.getLogger("optiproxy.study")


class StudyForPrograms(StudyResults):
    """Gives out queries and stores their answers; `Study` sets the attributes."""

    _programs: Programs
    _one_at_a_time: threading.Lock
    _changed: bool

    def begin(self, budget: int = 100, *, cheap_budget: int | None = None) -> None:
        """Gives the study a budget, so that programs may `ask`; a smaller one changes nothing.

        Args:
            budget: How many queries the study has in the end, as of `run`.
            cheap_budget: As of `run`.

        Raises:
            InvalidValueError: An argument can't be used, or the task has a mistake.
            DataError: The task's table is missing or broken.
        """
        budget = whole_number("budget", budget)
        self._checked_cheap_budget(cheap_budget, budget)
        if self.task.rows is not None:  # A user's `prepare` is for the evaluator alone.
            self.task.prepare()
        self._check_task()
        with storage_errors(self.storage):
            self._begin(max(budget, self.budget), cheap_budget)

    def ask(self, n: int = 1, *, lease: float | str = "1h") -> list[Asked]:
        """Takes queries for another program to evaluate; any number of programs may ask at once.

        Args:
            n: How many.
            lease: How long they are the program's, in seconds or as ``"90s"``, ``"5m"``, ``"2h"``.
                After that another program may get them, unless they were answered or
                renewed.

        Returns:
            Fewer than `n` if the budget, or the space, has no more.

        Raises:
            InvalidValueError: An argument can't be used.
            StudyError: The study has no budget yet; see `begin`.
        """
        n, seconds = whole_number("ask: n", n), durations.seconds("ask: lease", lease)
        if not self.budget:
            raise StudyError(f"study {self.name!r} has no budget yet; begin it first")
        if self.task.rows is not None:
            self.task.prepare()
        self._check_task()
        with self._one_at_a_time, storage_errors(self.storage):
            return self._programs.ask(n, seconds, self._whole_budget, self._note)

    def tell(self, answers: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[int]:
        """Stores the answers of programs.

        Args:
            answers: One or a list of ``{"id": 7, "metrics": {"accuracy": 0.93}}``, or of
                ``{"id": 7, "failed": "reason", "kind": "oom"}``; see `asked.Answer`.

        Returns:
            The ids.

        Raises:
            InvalidValueError: An answer can't be used, is stored already, or its query was given to
                another program. Nothing was stored.
            StudyError: Another program answered one of them at the same time; the others are
                stored.
        """
        read = read_answers(answers)
        with self._one_at_a_time, storage_errors(self.storage):
            return self._programs.tell(read, self._note)

    def renew(self, ids: Iterable[int], *, lease: float | str = "1h") -> list[Asked]:
        """Renews the leases of queries that programs hold: they end `lease` from now.

        Raises:
            InvalidValueError: One is not open any more, or an argument can't be used.
        """
        seconds = durations.seconds("renew: lease", lease)
        with storage_errors(self.storage):
            return self._programs.renew(ids, seconds)

    def release(self, ids: Iterable[int]) -> None:
        """Gives back queries that programs hold: others may get them.

        Raises:
            InvalidValueError: One is not open any more.
        """
        with storage_errors(self.storage):
            self._programs.release(ids)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The queries that programs hold, also those whose lease has ended."""
        return tuple(self._programs.held())

    @property
    def done(self) -> bool:
        """Whether nothing is left to evaluate: the budget is spent, and no query runs or waits."""
        return self._programs.done(self._whole_budget)

    # ---- before the first query ----

    def _checked_cheap_budget(self, given: int | None, budget: int) -> int:
        kept = given or self._cheap_budget(budget)
        check_cheap_budget(self.task, given, kept, budget)
        return kept

    def _check_task(self) -> None:
        if self._method.knows_networks:  # Of a table it is known when its rows are read.
            self._optimizer.distinct = self.task.distinct
        if not self.queries:
            self.task.validate()
        elif self._changed:
            self._note(
                f"the file of task {self.task.name!r} has changed since this study was begun; what "
                "was measured before is kept as it is"
            )

    def _begin(self, budget: int, cheap_budget: int | None) -> None:
        # Shortened trainings cost a part each; a sum of parts may be a little more than a whole.
        self.optuna.set_user_attr(BUDGET, max(budget, math.ceil(self.spent - 1e-9)))
        self._trials.name_objectives()
        if self.storage is not None and ENVIRONMENT not in self.optuna.user_attrs:
            self.optuna.set_user_attr(ENVIRONMENT, environment.described())
        if cheap_budget is not None:
            self.optuna.set_user_attr(CHEAP_BUDGET, int(cheap_budget))

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            _logger.warning("%s", text)
