"""What identifies a stored study, so that it is not continued as another search."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import optuna

from optiproxy import proxies
from optiproxy.errors import StudyError
from optiproxy.spaces import Space
from optiproxy.study._storage.space_difference import difference, stored_definition
from optiproxy.study._storage.stored_trial import PREFIX
from optiproxy.tasks import Task

ATTRIBUTE = PREFIX + "study"
BUDGET = PREFIX + "budget"
CHEAP_BUDGET = PREFIX + "cheap_budget"
CONFIRM = PREFIX + "confirm"
ENVIRONMENT = PREFIX + "environment"
TIME_LIMIT = PREFIX + "time_limit"

# Seconds in which who makes a study says which search it is, or has ended.
_PATIENCE = 5.0

# Fields that do not decide which search it is.
_INFORMATION = ("definition", "measured", "reference", "version", "asked", "code")


@dataclass(frozen=True)
class Identity:
    """Which search a study is. All fields must be equal for it to go on, except the last six.

    Attributes:
        features: The names of the scores of networks that the method uses; None if they are the
            task's own functions, or where an earlier version stored none.
        definition: Of the space; None where an earlier version stored none, or it is too long.
        reference: The text and the folder that the task is loaded by; None for a task that was made
            in a program.
        version: The version of OptiProxy that began the study.
        measured: The metrics that the command `measure` prints, if cheap metrics may wait for it.
        asked: The constraints as given, if some are relative; `constraints` has the absolute
            bounds, which are resolved once.
        code: A hash of the user's files that the task is in; None if it is in none.
    """

    task: str
    space: str
    objectives: list[str]
    constraints: list[str]
    reported: list[str]
    method: str
    proxy: str | None
    seed: int
    measure: str | None = None
    low_fidelity: int | None = None
    features: list[str] | None = None
    definition: dict[str, Any] | None = None
    measured: list[str] | None = None
    reference: tuple[str, str] | None = None
    version: str = ""
    asked: list[str] = field(default_factory=list)
    code: str | None = None

    @classmethod
    def of(
        cls,
        task: Task,
        method: str,
        proxy: str | None,
        seed: int,
        *,
        version: str,
        asked: Sequence[str] = (),
        features: bool = False,
    ) -> Identity:
        """Of the search of a task; `features`: whether the method uses training-free scores."""
        reference, names = task.reference, task.score_names
        return cls(
            task=task.name,
            space=f"{task.space!r}, fingerprint {task.space.fingerprint}",
            objectives=[o.text for o in task.objectives],
            constraints=[c.text for c in task.constraints],
            reported=list(task.reported),
            method=method,
            proxy=proxy,
            seed=seed,
            measure=task.measure,
            low_fidelity=task.low_fidelity,
            measured=None if task.measured is None else list(task.measured),
            reference=None if reference is None else (reference.text, reference.folder),
            version=version,
            asked=list(asked),
            features=list(names) if features and names is not None else None,
            code=code_of(task),
            definition=stored_definition(task.space),
        )

    @classmethod
    def stored(cls, study: optuna.Study) -> Identity | None:
        """The identity of `study`; None if it has none, since we did not make it."""
        value: dict[str, Any] | None = study.user_attrs.get(ATTRIBUTE)
        if value is None:
            return None
        known = {field.name for field in fields(cls)}
        found = cls(**{name: v for name, v in value.items() if name in known})
        if found.proxy is not None:  # a proxy may have had another name
            found = replace(found, proxy=proxies.canonical(found.proxy))
        return found

    @property
    def folder(self) -> str | None:
        """Where the study was begun, if its task can be loaded: files are named from there."""
        return None if self.reference is None else self.reference[1]

    def same_but_seed(self, other: Identity) -> bool:
        """Whether the other is the same search, with this or another seed."""
        return set(self._different(other)) <= {"seed"}

    def claim(
        self, study: optuna.Study, place: str, space: Space | None = None, *, made: bool
    ) -> Identity:
        """Writes itself to a new study; of an old one it returns the identity.

        Args:
            study: The stored study.
            place: Where it is stored.
            space: That of this search, for the message where another was stored.
            made: Whether this process has made the study. What another one has just made has its
                identity in a moment.

        Raises:
            StudyError: The stored study is another search; every field that differs is named.
        """
        end = time.monotonic() + (0.0 if made else _PATIENCE)
        while (found := Identity.stored(study)) is None:
            if study.get_trials(deepcopy=False):
                raise StudyError(
                    f"study {study.study_name!r} in {place} was not made by OptiProxy; "
                    "give another name"
                )
            if time.monotonic() < end:
                time.sleep(0.05)
            else:
                study.set_user_attr(ATTRIBUTE, asdict(self))
        different = [
            f"{name}: {getattr(found, name)!r} there, {getattr(self, name)!r} here"
            for name in self._different(found)
        ]
        if "space" in self._different(found) and space is not None:
            apart = list(difference(study, found.definition, space))
            if apart:
                name = self._different(found).index("space")
                different[name] = "space: " + "; ".join(apart)
        if different:
            raise StudyError(
                f"study {study.study_name!r} in {place} is another search "
                f"({'; '.join(different)}); give the same values, or another name"
            )
        return found

    def _different(self, other: Identity) -> list[str]:
        """The fields that make the other a different search."""
        names = [f.name for f in fields(self) if f.name not in _INFORMATION]
        if self.features is None or other.features is None:
            names.remove("features")
        return [name for name in names if getattr(self, name) != getattr(other, name)]


def default_name(task: Task, method: str, seed: int) -> str:
    """The default name of a study."""
    return f"{task.name}-{method}-{seed}"


def code_of(task: Task) -> str | None:
    """A hash of the user's files that a task is in and that it reads; None if there are none."""
    file = None if task.reference is None else task.reference.file
    files = [*([file] if file else []), *(path for path in task.files if path.is_file())]
    if not files:
        return None
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
