"""Training, validation and test data as batches on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from optiproxy.errors import InvalidValueError, invalid

#: (inputs, labels) as arrays or tensors, or a Dataset of (input, label).
Data = tuple[Any, Any] | Dataset[Any]


class Parts:
    """The parts ``training``, ``validation`` and perhaps ``test`` of a data set.

    Args:
        data: All of it, or a function that returns it.
        validation: The part that is held out, the same every time, or data of their own.
        test: Data of their own, or None.
        device: Where batches are. Arrays are moved there once.
        batch: Examples of a batch.
        processes: That load the examples of a `Dataset`.
    """

    def __init__(
        self,
        data: Data | Callable[[], Data],
        validation: float | Data,
        test: Data | None,
        device: str,
        batch: int,
        processes: int,
    ) -> None:
        self._data, self._validation, self._test = data, validation, test
        self._device, self._batch, self._processes = device, batch, processes
        self._loaded: dict[str, Dataset[Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": {}}  # Loaded again in another process.

    def __getitem__(self, name: str) -> Dataset[Any]:
        """A part.

        Raises:
            InvalidValueError: What was given is no data.
        """
        if not self._loaded:
            data: Any = self._data
            loads = callable(data) and not isinstance(data, Dataset)
            whole = _dataset(data() if loads else data, self._device)
            if isinstance(self._validation, float):
                size = len(whole)  # type: ignore[arg-type]
                order = torch.randperm(size, generator=torch.Generator().manual_seed(0))
                held = max(1, round(self._validation * size))
                training, validation = _part(whole, order[held:]), _part(whole, order[:held])
            else:
                training, validation = whole, _dataset(self._validation, self._device)
            self._loaded = {"training": training, "validation": validation}
            if self._test is not None:
                self._loaded["test"] = _dataset(self._test, self._device)
        return self._loaded[name]

    def steps(self) -> int:
        """Batches of a pass over the training part."""
        return -(-len(self["training"]) // self._batch)  # type: ignore[arg-type]

    def batches(self, name: str, seed: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """A pass over a part, in random order where a seed is given."""
        part = self[name]
        generator = torch.Generator().manual_seed(seed or 0)
        if isinstance(part, TensorDataset):  # In memory: a batch is one look-up.
            n = len(part)
            order = torch.arange(n) if seed is None else torch.randperm(n, generator=generator)
            for start in range(0, n, self._batch):
                rows = order[start : start + self._batch].to(self._device)
                yield part.tensors[0][rows], part.tensors[1][rows]
            return
        loader: DataLoader[Any] = DataLoader(
            part,
            self._batch,
            shuffle=seed is not None,
            generator=generator,
            num_workers=self._processes,
            pin_memory=self._device.startswith("cuda"),
        )
        for x, y in loader:
            yield x.to(self._device, non_blocking=True), y.to(self._device, non_blocking=True)


def _dataset(data: Any, device: str) -> Dataset[Any]:
    if isinstance(data, Dataset):
        return data
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise invalid("classifier: data", type(data), "give (inputs, labels), or a Dataset")
    x, y = torch.as_tensor(data[0]), _labels(data[1])
    if len(x) != len(y) or len(x) < 2 or y.dim() != 1:
        raise InvalidValueError(
            f"classifier: data: got inputs {tuple(x.shape)} and labels {tuple(y.shape)}; "
            "give one label for each input"
        )
    x = x.float() if x.dtype == torch.float64 else x  # As networks are.
    return TensorDataset(x.to(device), y.long().to(device))


def _labels(given: Any) -> Tensor:
    """Class numbers; what would be cut to them, such as the values of a regression, is refused."""
    remedy = "give class numbers from 0, as numpy.unique(labels, return_inverse=True)[1] does"
    try:
        labels = torch.as_tensor(given)
    except (TypeError, ValueError):  # Texts.
        raise invalid("classifier: data: labels", given, remedy) from None
    if bool((labels != labels.long()).any()) or bool((labels < 0).any()):
        raise invalid("classifier: data: labels", given, remedy)
    return labels


def _part(whole: Dataset[Any], rows: Tensor) -> Dataset[Any]:
    if isinstance(whole, TensorDataset):
        return TensorDataset(*(tensor[rows.to(tensor.device)] for tensor in whole.tensors))
    return Subset(whole, rows.tolist())
