"""Tensors of a checkpoint folder: safetensors only, one file or several with an index, with or without a prefix.

A tensor that the encoder needs and the checkpoint lacks is an error that names it, and so is a tensor of the encoder's
own part that is not understood: a silently random or silently ignored layer would be the worst of faults.
"""

import json
import math
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from services.models.families import Family
from services.models.weights import Slot
from services.runtime.errors import FailedPrecondition
from services.runtime.names import read_bounded
from services.runtime.work import check_here

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_OTHER_WEIGHTS = (".safetensors", ".safetensors.index.json", ".h5", ".msgpack", ".onnx", ".gguf")
"""Ends of the names of weights in other formats, of adapters, and of variants, `model.fp16.safetensors`."""

_OLD_NAMES = (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"))
_WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.|0\.auto_model\.)+")
"""Prefixes under which DataParallel, torch.compile and sentence-transformers save a whole model, in any order."""
_TIED = (
    "cls.predictions.decoder.weight",
    "lm_head.decoder.weight",
    "vocab_projector.weight",
    "generator_lm_head.weight",
    "predictions.decoder.weight",
    "lm_head.weight",
    "decoder.weight",
)
"""Output layers that share the word table: a checkpoint saved by alias holds the table under such a name alone."""
_NOT_WEIGHTS = ("position_ids", "token_type_ids", "inv_freq")
_SHOWN = 8
_MOST_INDEX_BYTES = 16 << 20


def weight_files(folder: Path, subject: str) -> list[Path]:
    """The files that hold the tensors of a checkpoint.

    Args:
        folder: The checkpoint.
        subject: What to call it in errors.

    Raises:
        FailedPrecondition: There are none, or the index names a file that is not there.
    """
    present = {path.name for path in folder.glob("*") if path.is_file()}
    return [folder / name for name in weight_names(present, folder, subject)]


def weight_names(present: Collection[str], folder: Path, subject: str) -> list[str]:
    """The files that hold a checkpoint's tensors, as one file or as the index names them.

    Args:
        present: Names of the checkpoint's files, of which the folder may hold only some.
        folder: Folder of the index, if there is one.
        subject: What to call it in errors.

    Raises:
        FailedPrecondition: There are none, or the index names a file that is not there.
    """
    if SINGLE_FILE in present:
        return [SINGLE_FILE]
    index = folder / INDEX_FILE
    if INDEX_FILE not in present:
        here = sorted(name for name in present if "/" not in name)
        pickles = [name for name in here if name.endswith(_PICKLES)]
        others = [name for name in here if name.endswith(_OTHER_WEIGHTS)]
        found = f"only {_shortened(others)}" if others else "no weights at all"
        if pickles:
            found = f"only {_shortened(pickles)}, which would have to be unpickled"
        raise FailedPrecondition(subject, f"Expected weights as {SINGLE_FILE} or with {INDEX_FILE}, but found {found}")
    try:
        names = set(json.loads(read_bounded(index, _MOST_INDEX_BYTES))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        raise FailedPrecondition(subject, f"{INDEX_FILE} cannot be read: {error}") from error
    if any(not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors") for name in names):
        raise FailedPrecondition(subject, f"{INDEX_FILE} names files that are not safetensors files of this folder")
    missing = sorted(names.difference(present))
    if missing:
        raise FailedPrecondition(subject, f"{INDEX_FILE} names files that are missing: {_shortened(missing)}")
    return sorted(names)


class Checkpoint:
    """The tensors of one folder, as a source of weights. A context manager.

    Ask for every tensor once, which gives their shapes only; then `finish`; then ask again for their numbers.

    Args:
        files: Its safetensors files.
        family: The model's family.
        subject: What to call it in errors.
        device: Device that receives the tensors.
        tied: Whether the output layer shares the word table.
    """

    def __init__(self, files: Sequence[Path], family: Family, subject: str, device: str, *, tied: bool = True) -> None:
        self._tied = tied
        self._family, self._subject, self._device = family, subject, device
        self._files = list(files)
        self._open: list[Any] = []
        self._where: dict[str, tuple[Any, str]] = {}
        self._missing: list[str] = []
        self._misshapen: list[str] = []
        self._used: set[str] = set()
        self._prefix = ""
        self._verified = False
        self.parameters = 0
        """Numbers in the tensors handed out."""
        self.expected = 0
        """Numbers in the tensors asked for before `finish`: those of the whole encoder."""

    def __enter__(self) -> "Checkpoint":
        for path in self._files:
            try:
                handle: Any = safe_open(str(path), framework="pt", device="cpu")
            except (SafetensorError, OSError) as error:
                self.__exit__(None, None, None)
                raise FailedPrecondition(
                    self._subject, f"{path.name} is not a whole safetensors file: {error}"
                ) from error
            self._open.append(handle)
            for stored in handle.keys():  # noqa: SIM118 (not a mapping)
                name = _WRAPPERS.sub("", stored)
                for old, new in _OLD_NAMES:
                    name = name.replace(old, new)
                if name in self._where:
                    self.__exit__(None, None, None)
                    raise FailedPrecondition(
                        self._subject, f"Expected one encoder in the checkpoint, but got several, all with {name}"
                    )
                self._where[name] = (handle, stored)
        self._untie()
        candidates = [
            prefix for prefix in ("", *self._family.prefixes) if prefix + self._family.word_table in self._where
        ]
        if len(candidates) > 1:
            self.__exit__(None, None, None)
            raise FailedPrecondition(
                self._subject, f"Expected one encoder in the checkpoint, but got several, under {candidates}"
            )
        # Without a word table the first block says where the encoder is, and the table alone is missing.
        self._prefix = (candidates or self._with_first_block() or [""])[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._where.clear()
        self._open.clear()

    def _untie(self) -> None:
        """Find the word table by the name of the output layer that shares it, where it has no name of its own."""
        if any(prefix + self._family.word_table in self._where for prefix in ("", *self._family.prefixes)):
            return
        shared = next((name for name in _TIED if name in self._where), None)
        if self._tied and shared:
            for prefix in self._with_first_block()[:1]:
                self._where[prefix + self._family.word_table] = self._where[shared]

    def _with_first_block(self) -> list[str]:
        """The family's prefixes under which there is a first block."""
        firsts = {prefix: f"{prefix}{self._family.block_prefix}0." for prefix in ("", *self._family.prefixes)}
        return [prefix for prefix, first in firsts.items() if any(name.startswith(first) for name in self._where)]

    def _elsewhere(self) -> str:
        """Where the encoder is, if it is under a prefix that this family does not have."""
        table = self._family.word_table
        found = sorted({name.removesuffix(table) for name in self._where if name.endswith(f".{table}")})
        unknown = [prefix for prefix in found if prefix not in self._family.prefixes]
        return f"; the checkpoint has an encoder under the unknown prefix {unknown[0]!r}" if unknown else ""

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a tensor by its whole name, prefix included; None where there is none."""
        if name not in self._where:
            return None
        handle, stored = self._where[name]
        return tuple(handle.get_slice(stored).get_shape())

    def has_any(self, beginning: str) -> bool:
        """Whether the whole name of a tensor begins so."""
        return any(name.startswith(beginning) for name in self._where)

    def numbers(self, name: str) -> Tensor:
        """A tensor by its whole name, prefix included, in float32 on the model's device.

        Raises:
            FailedPrecondition: It holds no floating-point numbers.
        """
        handle, stored = self._where[name]
        kept: Tensor = handle.get_tensor(stored)
        if not kept.is_floating_point():
            raise FailedPrecondition(self._subject, f"Expected floating-point weights, but {name} is {kept.dtype}")
        # A copy: the file is mapped, and weights must not change under a model when somebody writes over it.
        return kept.to(device=self._device, dtype=torch.float32, copy=True)

    def stored_name(self, slot: Slot) -> str:
        """The slot's name with the prefix that this checkpoint gives it."""
        return self._prefix + slot.name

    def others(self, names: Collection[str]) -> dict[str, Tensor]:
        """All tensors but those named, as they are and by their names in the files: heads, poolers, buffers."""
        return {
            stored: handle.get_tensor(stored) for name, (handle, stored) in self._where.items() if name not in names
        }

    def tensor(self, slot: Slot) -> Tensor:
        """The tensor of a slot in float32; before `finish` a shape without numbers, whether it is there or not."""
        check_here()
        name = self._prefix + slot.name
        self._used.add(name)
        if not self._verified:
            self.expected += math.prod(slot.shape)
        shape = self.shape(name)
        if shape is None:
            self._missing.append(slot.name)
            return torch.empty(slot.shape, device="meta")
        if shape != slot.shape:
            self._misshapen.append(f"{slot.name} {list(shape)}, expected {list(slot.shape)}")
            return torch.empty(slot.shape, device="meta")
        if not self._verified:
            return torch.empty(slot.shape, device="meta")
        found = self.numbers(name)
        self.parameters += found.numel()
        return found

    def finish(self, layers: int) -> None:
        """Make sure that every tensor of the encoder was there, of the right shape, and understood.

        All tensors must have been asked for once before; from now on they are given with their numbers.

        Args:
            layers: Blocks of the model; tensors of later ones are left out on purpose.

        Raises:
            FailedPrecondition: Names the tensors.
        """
        if self._missing:
            raise FailedPrecondition(
                self._subject,
                f"Expected all of the encoder's tensors in the checkpoint, but {len(self._missing)} are missing: "
                f"{_shortened(self._missing)}{self._elsewhere()}",
            )
        if self._misshapen:
            raise FailedPrecondition(self._subject, f"Tensors do not fit config.json: {_shortened(self._misshapen)}")
        strange = sorted(name for name in self._where if name not in self._used and self._is_own(name, layers))
        if strange:
            raise FailedPrecondition(
                self._subject, f"The checkpoint holds tensors that this family does not have: {_shortened(strange)}"
            )
        self._verified = True

    def _is_own(self, name: str, layers: int) -> bool:
        """Whether a tensor would take part in the encoder's hidden states."""
        if not name.startswith(self._prefix) or name.endswith(_NOT_WEIGHTS):
            return False
        inner = name[len(self._prefix) :]
        if inner.startswith(self._family.owned):
            return True
        number = re.match(re.escape(self._family.block_prefix) + r"(\d+)\.", inner)
        return number is not None and int(number[1]) < layers


def _shortened(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
