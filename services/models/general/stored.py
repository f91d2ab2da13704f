"""Where in the files of a model the rows of its encoder's tensors stand, so that they can be written back when trained.

transformers renames tensors as it loads them, and takes some apart (NomicBERT's queries, keys and values). What it does
is not asked for but tried out: a model is loaded whose every row holds its own number. A row is all of a tensor along
its last dimension, or one number where it has no other.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from services.models.files.folders import ModelFolder
from services.models.general import modules
from services.runtime.errors import FailedPrecondition

_MOST_ROWS: Final = 1 << 24
"""Whole numbers that float32 tells apart."""


@dataclass(frozen=True, eq=False)
class StoredRows:
    """Rows of the files.

    Attributes:
        weights: The files.
        keys: Names of their tensors of floating-point numbers.
        begins: [n] number of the first row of each.
        rows: Numbers of the rows of each of the encoder's tensors, by its name in the module.
        word: Name of the word table in the module.
    """

    weights: tuple[Path, ...]
    keys: tuple[str, ...]
    begins: NDArray[np.int64]
    rows: Mapping[str, NDArray[np.int64]]
    word: str

    @classmethod
    def find(
        cls, folder: ModelFolder, config: Any, parameters: Mapping[str, Tensor], word: str, subject: str
    ) -> "StoredRows":
        """Try out where the rows of an encoder stand.

        Args:
            folder: The model.
            config: transformers' configuration.
            parameters: The encoder's tensors by their names in the module, as they were loaded.
            word: Name of the word table among them.
            subject: What to call the model in errors.

        Raises:
            FailedPrecondition: A tensor is made of those of the files in another way than row by row.
        """
        marked: dict[str, Tensor] = {}
        begins, count = [], 0
        for key, tensor in _tensors(folder.weights).items():
            if not tensor.is_floating_point():
                continue
            shape = tensor.shape[:-1] if tensor.ndim > 1 else tensor.shape
            begins.append(count)
            numbers = torch.arange(count, count + math.prod(shape), dtype=torch.float32).reshape(shape)
            marked[key] = numbers[..., None].expand(tensor.shape) if tensor.ndim > 1 else numbers
            count += math.prod(shape)
        if count > _MOST_ROWS:
            raise FailedPrecondition(subject, f"Expected at most {_MOST_ROWS} rows in its tensors, but got {count}")
        loaded = dict(modules.filled(config, marked, subject).named_parameters())
        rows = {name: _numbers(loaded[name].detach(), name, count, subject) for name in parameters}
        found = cls(folder.weights, tuple(marked), np.array(begins, dtype=np.int64), rows, word)
        stored = _tensors(folder.weights)
        for name, parameter in parameters.items():
            if not torch.equal(found._read(name, stored).reshape(parameter.shape), parameter.detach().cpu()):
                raise _strange(name, subject)
        return found

    def written(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All tensors of the files, those of the encoder with other numbers in float32, all others as they are.

        A word table that the files hold under further names, as that of an output layer, is written under these too.

        Args:
            parameters: The encoder's tensors by their names in the module.
        """
        before = _tensors(self.weights)
        after = {key: tensor.contiguous() for key, tensor in before.items()}
        changed: set[str] = set()
        for name, parameter in parameters.items():
            by_row = _by_row(parameter.detach().cpu().float())
            owners = self._owners(name)
            for owner in np.unique(owners).tolist():
                key, own = self.keys[owner], torch.from_numpy(owners == owner)
                if key not in changed:
                    after[key] = before[key].to(torch.float32, copy=True).contiguous()
                    changed.add(key)
                places = torch.from_numpy(self.rows[name][owners == owner] - self.begins[owner])
                _by_row(after[key])[places] = by_row[own]
        for word in {self.keys[owner] for owner in self._owners(self.word).tolist()}:
            for key, tensor in before.items():
                if key not in changed and tensor.shape == before[word].shape and torch.equal(tensor, before[word]):
                    after[key] = after[word].clone()
        return after

    def _owners(self, name: str) -> NDArray[np.int64]:
        """Places in `keys` of the tensors that the rows of one of the encoder's stand in."""
        return np.searchsorted(self.begins, self.rows[name], side="right") - 1

    def _read(self, name: str, stored: Mapping[str, Tensor]) -> Tensor:
        """One of the encoder's tensors from those of the files, [rows, last dimension] or [rows] float32."""
        owners = self._owners(name)
        parts = _by_row(stored[self.keys[int(owners[0])]])
        found = torch.empty((len(owners), *parts.shape[1:]), dtype=torch.float32)
        for owner in np.unique(owners).tolist():
            own = owners == owner
            places = torch.from_numpy(self.rows[name][own] - self.begins[owner])
            part = _by_row(stored[self.keys[owner]])
            if part.shape[1:] == found.shape[1:]:
                found[torch.from_numpy(own)] = part[places].float()
        return found


def _tensors(weights: Sequence[Path]) -> dict[str, Tensor]:
    """All tensors of some files by their names, sorted; the numbers are read when they are looked at."""
    found: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for path in weights:
            file = stack.enter_context(safe_open(str(path), framework="pt", device="cpu"))
            found |= {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return dict(sorted(found.items()))


def _by_row(tensor: Tensor) -> Tensor:
    """A view of a contiguous tensor: [rows, last dimension], or itself where it has one dimension or none."""
    return tensor.reshape(-1, tensor.shape[-1]) if tensor.ndim > 1 else tensor.reshape(-1)


def _numbers(tensor: Tensor, name: str, count: int, subject: str) -> NDArray[np.int64]:
    """The numbers of a tensor's rows.

    Raises:
        FailedPrecondition: They are none of the rows, or differ within one.
    """
    by_row = _by_row(tensor)
    first = by_row[:, :1] if tensor.ndim > 1 else by_row
    numbers: NDArray[np.int64] = first.reshape(-1).numpy().astype(np.int64)
    whole = torch.equal(first.reshape(-1), torch.from_numpy(numbers).float()) and bool((by_row == first).all())
    if not whole or (numbers.size and not 0 <= numbers.min() <= numbers.max() < count):
        raise _strange(name, subject)
    return numbers


def _strange(name: str, subject: str) -> FailedPrecondition:
    return FailedPrecondition(
        subject,
        f"its tensor {name} is made of those of its files in another way than row by row, so that it could not be "
        "written back when it is trained",
    )
