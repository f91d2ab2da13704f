"""What one would train with otherwise: the Hugging Face `Trainer` on the same model, texts and steps."""

import contextlib
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments


class Rows(Dataset[Mapping[str, Any]]):
    """Tokenised texts.

    Args:
        rows: Fields of each text.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        """Number of texts."""
        return len(self._rows)

    def __getitem__(self, place: int) -> Mapping[str, Any]:
        """Fields of a text."""
        return self._rows[place]


class Clock(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Seconds of the processor from the first step on, the first of which warms up.

    Attributes:
        seconds: Seconds of all steps but the first.
        losses: Loss of each step.
    """

    def __init__(self) -> None:
        self.seconds, self.losses = 0.0, list[float]()
        self._began = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Starts after the first step, and reads after each other one."""
        del args, control
        if state.global_step == 1:
            self._began = time.process_time()
        self.seconds = time.process_time() - self._began

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        """Keeps the loss of each step."""
        del args, state, control
        if logs and "loss" in logs:
            self.losses.append(float(logs["loss"]))


def train(
    model: torch.nn.Module, rows: Sequence[Mapping[str, Any]], collator: Any, folder: Path, steps: int, **how: Any
) -> Clock:
    """Some steps of eight texts with the `Trainer`'s defaults, but for what `how` changes.

    Args:
        model: The model with its head.
        rows: Tokenised texts.
        collator: Makes batches of them.
        folder: Folder that the `Trainer` asks for; nothing is saved in it.
        steps: Number of steps.
        how: Arguments of `TrainingArguments`.
    """
    clock = Clock()
    arguments = TrainingArguments(
        str(folder), max_steps=steps, use_cpu=True, report_to=[], save_strategy="no", logging_steps=1,
        disable_tqdm=True, seed=0, warmup_steps=max(1, steps // 10), **how,
    )  # fmt: skip
    trainer = Trainer(model, arguments, data_collator=collator, train_dataset=Rows(rows), callbacks=[clock])
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.train()
    return clock
