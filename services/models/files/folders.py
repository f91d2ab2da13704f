"""Folders that hold a model: what they must have, and nothing that leads out of them."""

import json
import logging
import os
from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.models.families.known import refusal
from services.models.files.checkpoint import weight_names
from services.models.tokens.tokenizer_file import SLOW_FILES, TOKENIZER_FILE, check_files, is_language_file
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.names import problem_of, read_bounded, shown

CONFIG_FILE = "config.json"
NAME_FIELD = "spec.model.name"
REVISION_FIELD = "spec.model.revision"
MOST_JSON_BYTES = 16 << 20
"""Largest JSON file of a model, its tokenizer apart, that is read."""
TEXT_FILES = (
    CONFIG_FILE,
    TOKENIZER_FILE,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    *SLOW_FILES,
)
"""What determines a model's computation beside its weights."""
_DEEPEST = 3
_unread: set[Path] = set()

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelFolder:
    """A folder that passed inspection.

    Attributes:
        path: The folder.
        family: Its model type.
        weights: Its safetensors files.
        files: All files that determine what it computes.
    """

    path: Path
    family: str
    weights: tuple[Path, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class RequiredFiles:
    """What must be there for a model to be served.

    Attributes:
        family: Its model type.
        weights: Names of its safetensors files.
    """

    family: str
    weights: tuple[str, ...]


def check_name(name: str, aliases: Container[str] = ()) -> None:
    """Refuse names that could lead out of the roots.

    Args:
        name: The name.
        aliases: Names that the operator has given to folders anywhere, which may look like paths.

    Raises:
        InvalidArgument: The name is no relative path of plain parts, or begins like a URL or a drive.
    """
    if name in aliases:
        return
    problem = problem_of(name) or ("it has a colon in its first part" if ":" in name.split("/", 1)[0] else "")
    if problem:
        raise InvalidArgument(
            NAME_FIELD,
            f"Expected a hub id or a folder's path below a model root, without `..`, but got {shown(name)}: {problem}",
        )


def check_revision(revision: str) -> None:
    """Refuse revisions that are no branch, tag or commit: the hub's cache joins them to the path of a file.

    Raises:
        InvalidArgument: The revision is no relative path of plain parts, or holds what Git forbids in a name.
    """
    problem = problem_of(revision) if revision else ""
    if not problem and any(character in revision for character in " ~^:?*["):
        problem = "it holds a space or one of `~^:?*[`"
    if problem:
        raise InvalidArgument(
            REVISION_FIELD, f"Expected a branch, a tag or a commit of the hub, but got {shown(revision)}: {problem}"
        )


def read_config(folder: Path, subject: str) -> dict[str, Any]:
    """config.json of a folder.

    Raises:
        FailedPrecondition: There is none, or it is not a JSON object.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise FailedPrecondition(subject, f"Expected a model folder, but it has no {CONFIG_FILE}")
    try:
        config = json.loads(read_bounded(path, MOST_JSON_BYTES))
    except (ValueError, OSError, RecursionError) as error:
        raise FailedPrecondition(subject, f"{CONFIG_FILE} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise FailedPrecondition(subject, f"Expected an object in {CONFIG_FILE}, but got {type(config).__name__}")
    return config


def family_of(config: dict[str, Any], subject: str) -> str:
    """The family of a configuration.

    Raises:
        FailedPrecondition: It is not offered, with the reason.
    """
    reason = refusal(config)
    if reason:
        raise FailedPrecondition(subject, reason)
    return str(config["model_type"])


def required_files(present: Collection[str], folder: Path, subject: str) -> RequiredFiles:
    """Make sure that a model can be served, by its configuration and the names of its files.

    Args:
        present: Names of its files.
        folder: Folder of its small files: the configuration, the index of its weights.
        subject: What to call it in errors.

    Raises:
        FailedPrecondition: It cannot be served, with the reason.
    """
    family = family_of(read_config(folder, subject), subject)
    weights = weight_names(present, folder, subject)
    check_files(present, subject)
    return RequiredFiles(family, tuple(weights))


def inspect(folder: Path, subject: str, inside: Path | None) -> ModelFolder:
    """Make sure that a folder holds a model that can be served.

    Args:
        folder: The folder.
        subject: What to call it in errors.
        inside: No file may lead out of this folder by a symbolic link; None where the operator chose the folder.

    Raises:
        FailedPrecondition: It cannot be served, with the reason.
        InvalidArgument: It leads out of `inside`.
    """
    if inside is not None:
        require_inside(folder, inside, subject)
    present = {path.name for path in folder.glob("*") if path.is_file()}
    required = required_files(present, folder, subject)
    weights = [folder / name for name in required.weights]
    texts = [name for name in sorted(present) if name in TEXT_FILES or is_language_file(name)]
    files = [*weights, *(folder / name for name in texts)]
    if inside is not None:
        for path in files:
            require_inside(path, inside, subject)
    return ModelFolder(folder, required.family, tuple(weights), tuple(files))


def require_inside(path: Path, root: Path, subject: str) -> None:
    """Refuse a path that a symbolic link leads out of a root.

    Raises:
        InvalidArgument: It does.
    """
    if not path.resolve().is_relative_to(root.resolve()):
        raise InvalidArgument(NAME_FIELD, f"Expected {subject} to lie within a model root, but a link leads out of it")


def files_stamp(folder: Path) -> tuple[tuple[str, int, int, int, int], ...]:
    """Name, inode, size and times of change of a folder's files, links followed; files that vanish are left out."""
    found = []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return ()
    for entry in entries:
        is_text = entry.name in TEXT_FILES or is_language_file(entry.name)
        if not is_text and not entry.name.endswith((".safetensors", ".index.json")):
            continue
        try:
            state = entry.stat()
        except OSError:
            continue
        found.append((entry.name, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
    return tuple(found)


def folders_below(root: Path) -> Iterator[tuple[str, Path]]:
    """Model folders below a root, with their names; a model's own sub-folders are not looked into.

    A folder that cannot be read is left out, with a line in the log for the first time.
    """
    pending = [(root, 0)]
    while pending:
        folder, depth = pending.pop()
        try:
            is_model = depth > 0 and (folder / CONFIG_FILE).is_file()
            children = [] if is_model or depth >= _DEEPEST or not folder.is_dir() else list(folder.iterdir())
            below = [(child, depth + 1) for child in children if child.name[0] != "." and child.is_dir()]
        except OSError as error:
            if folder not in _unread:
                log.warning("unreadable folder skipped", extra={"folder": str(folder), "problem": str(error)})
                _unread.add(folder)
            continue
        if is_model:
            yield folder.relative_to(root).as_posix(), folder
        pending.extend(below)
