"""Paths of a study file: variables, the folder they start from, and data bundled with the package."""

import hashlib
import os
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from babelscope.errors import StudyError
from babelscope.study.nodes import Node

BUNDLED = "bundled:"
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>[^{}]*))?\}")


def corpus_path(node: Node, language: str) -> Path:
    """The path of one language's file.

    `{language}` becomes the language. `${BABELSCOPE_X}` and `${BABELSCOPE_X:-default}` become that environment
    variable; no other variable can be read, so that a study file cannot carry secrets into a result. A relative path
    starts at the study file's folder, one in a variable at the working directory. `bundled:NAME` is a file that comes
    with the package.

    Raises:
        StudyError: A variable is not of this project, or is not set and has no default.
    """
    pattern = node.text()
    if pattern.startswith(BUNDLED):
        return Path(str(files("babelscope") / "samples" / Path(pattern.removeprefix(BUNDLED)).name))
    named = pattern.replace("{language}", language)
    try:
        given = node.files.find(named)
    except LookupError:
        node.fail("a file that was handed in with the study", named)
    found = node.files.named[named] = given or _local(node, pattern, language)
    return found


def _local(node: Node, pattern: str, language: str) -> Path:
    """A file of this machine."""
    expanded = _filled(node, pattern, lambda found: str(Path(found).expanduser().absolute()))
    expanded = expanded.replace("{language}", language)
    return Path(os.path.normpath(node.file.absolute().parent / Path(expanded).expanduser()))


def model_name(node: Node) -> str:
    """The name of a model, with variables filled in as in a path; as it stands where the study was handed in.

    Raises:
        StudyError: It is no text, or a variable is not of this project, or is not set and has no default.
    """
    name = node.text()
    return _filled(node, name, str) if node.files.local else name


def _filled(node: Node, text: str, read: Callable[[str], str]) -> str:
    """A text with the value of each variable, made ready by a function, in its place."""

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if not name.startswith("BABELSCOPE_"):
            node.fail("variables whose names begin with BABELSCOPE_", name)
        found = os.environ.get(name)
        if found:
            return read(found)
        if default is None:
            node.fail(f"the environment variable {name} to be set, or a default as in ${{{name}:-DEFAULT}}", "neither")
        return str(default)

    return _VARIABLE.sub(value, text)


def file_digest(path: Path) -> str:
    """SHA-256 over the bytes of a file.

    Raises:
        StudyError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StudyError(f"{path}: Expected a readable file, but got: {error.strerror or error}") from error
