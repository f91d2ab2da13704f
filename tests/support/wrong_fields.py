"""Wrong values of the fields of config.json of a general family: refused at load, or texts are encoded."""

import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from services.encoder.engine import Engine
from services.encoder.loading import load_engine
from services.models.catalogue import ModelFiles
from services.models.spec import EncodePlan, ModelSpec
from services.runtime.errors import FailedPrecondition

WRONG: tuple[Any, ...] = (None, "x", -1, 0, 4.0, True, [], {}, 10**9, float("nan"))
"""Values of wrong types, and of sizes that hardly any field takes."""


def try_fields(folder: Path, changes: Iterable[tuple[str, Any]]) -> tuple[int, list[str]]:
    """Serves a model folder with one field of its configuration changed at a time, and restores it.

    Args:
        folder: The model folder.
        changes: Fields with their values.

    Returns:
        How many changes are refused at load as FailedPrecondition; and a line for each change with any other error, or
        with hidden states that are not finite.
    """
    path = folder / "config.json"
    text = path.read_text("utf-8")
    refused, faults = 0, []
    try:
        for field, value in changes:
            path.write_text(json.dumps(json.loads(text) | {field: value}), "utf-8")
            try:
                with closing(load_engine(ModelFiles(aliases={"m": folder}), ModelSpec("m"), threads=1)) as engine:
                    if not _encodes(engine):
                        faults.append(f"{field}={value!r}: hidden states that are not finite")
            except FailedPrecondition:
                refused += 1
            except Exception as error:
                faults.append(f"{field}={value!r}: {repr(error)[:300]}")
    finally:
        path.write_text(text, "utf-8")
    return refused, faults


def _encodes(engine: Engine) -> bool:
    """Whether two texts have finite hidden states."""
    batch = engine.tokenize(["the river", "a"], languages=list(engine.info.languages[:1]) * 2)
    found = engine.encode(batch, EncodePlan((0, engine.info.layers)))
    return all(bool(np.isfinite(rows).all()) for rows in found)
