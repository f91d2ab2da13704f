"""Reading a YAML document strictly: every value is asked for by path, and what nobody asked for is an error."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import yaml

from babelscope.errors import StudyError

Value = TypeVar("Value")

MOST_VALUES: Final = 100_000
"""Values of a document, each counted as often as aliases repeat it: few lines can stand for more than memory holds."""

MOST_DIGITS: Final = 100
"""Characters of a whole number."""


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, its keys all different."""
        seen: set[Any] = set()
        for each, _ in node.value:
            key = self.construct_object(each, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key is a list or a mapping", each.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is there twice", node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number. Long ones take YAML's arithmetic a time that grows with the square of their length."""
        if len(node.value) > MOST_DIGITS:
            problem = f"a number has {len(node.value)} characters, which are more than {MOST_DIGITS}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(super().construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


class StudyFiles:
    """The files that a document names, by their paths as it has them.

    Args:
        given: Local paths of the files; they are looked up on this machine where None.
    """

    def __init__(self, given: Mapping[str, Path] | None = None) -> None:
        self._given = given
        self.named: dict[str, Path] = {}

    @property
    def local(self) -> bool:
        """Whether the document is of this machine, and so may read its files and variables."""
        return self._given is None

    def find(self, path: str) -> Path | None:
        """Where a file is; None where it is to be looked up.

        Raises:
            LookupError: It was not given.
        """
        if self._given is None:
            return None
        if path not in self._given:
            raise LookupError(path)
        return self._given[path]


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the document with where it stands.

    Attributes:
        file: The document.
        path: Path of the value: `models[0].name`; empty for the root.
        value: The value as YAML gives it.
        files: The files that the document names.
    """

    file: Path
    path: str
    value: Any
    files: StudyFiles = field(default_factory=StudyFiles, compare=False, repr=False)

    @property
    def place(self) -> str:
        """The document and the path of the value, for errors."""
        return f"{self.file}: {self.path}" if self.path else str(self.file)

    def fail(self, expected: str, got: object = None) -> NoReturn:
        """Raises the error of this value.

        Raises:
            StudyError: Always.
        """
        shown = repr(self.value if got is None else got)
        hint = "; YAML reads no, off, yes and on as true or false: quote them" if isinstance(self.value, bool) else ""
        raise StudyError(f"{self.place}: Expected {expected}, but got {shown}{hint}")

    def mapping(self, *keys: str) -> "Mapping[str, Node]":
        """The entries of a mapping whose keys must be among these.

        Raises:
            StudyError: It is no mapping, or has another key.
        """
        entries = self.entries()
        for key in entries:
            if key not in keys:
                where = f"{self.path}.{key}" if self.path else key
                Node(self.file, where, key, self.files).fail(f"one of the keys {', '.join(keys)}")
        return entries

    def entries(self) -> "Mapping[str, Node]":
        """The entries of a mapping with any keys that are strings.

        Raises:
            StudyError: It is no mapping, or a key is no string.
        """
        if not isinstance(self.value, dict):
            self.fail("a mapping")
        for key in self.value:
            if not isinstance(key, str):
                Node(self.file, self.path, key, self.files).fail("keys that are strings")
        prefix = f"{self.path}." if self.path else ""
        return {key: Node(self.file, prefix + key, value, self.files) for key, value in self.value.items()}

    def items(self) -> "Sequence[Node]":
        """The items of a list that holds at least one.

        Raises:
            StudyError: It is no list, or an empty one.
        """
        if not isinstance(self.value, list) or not self.value:
            self.fail("a list of at least one item")
        return [Node(self.file, f"{self.path}[{at}]", value, self.files) for at, value in enumerate(self.value)]

    def unique(self, read: "Callable[[Node], Value]") -> tuple[Value, ...]:
        """The items of a list, read one by one, all different.

        Raises:
            StudyError: It is no list, an item is wrong, or one is there twice.
        """
        values: list[Value] = []
        seen: set[Value] = set()
        others: list[Value] = []
        for item in self.items():
            value = read(item)
            try:
                twice = value in seen
                seen.add(value)
            except TypeError:  # it holds a mapping, and so has no hash
                twice = value in others
                others.append(value)
            if twice:
                item.fail("each item once")
            values.append(value)
        return tuple(values)

    def text(self) -> str:
        """A string that is not empty.

        Raises:
            StudyError: It is not.
        """
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail("a string that is not empty")
        return self.value

    def choice(self, *choices: str) -> str:
        """One of some strings.

        Raises:
            StudyError: It is not.
        """
        if self.value not in choices:
            self.fail(f"one of {', '.join(choices)}")
        return str(self.value)

    def boolean(self) -> bool:
        """True or false.

        Raises:
            StudyError: It is neither.
        """
        if not isinstance(self.value, bool):
            self.fail("true or false")
        return self.value

    def integer(self, low: int) -> int:
        """An integer of at least `low`.

        Raises:
            StudyError: It is not.
        """
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < low:
            self.fail(f"an integer of at least {low}")
        return self.value

    def fraction(self) -> float:
        """A number above 0 and at most 1.

        Raises:
            StudyError: It is not.
        """
        if not isinstance(self.value, int | float) or isinstance(self.value, bool) or not 0 < self.value <= 1:
            self.fail("a number above 0 and at most 1")
        return float(self.value)


def read_yaml(path: Path, files: StudyFiles | None = None, *, text: str | None = None) -> Node:
    """The root of a YAML document.

    Args:
        path: The document.
        files: The files that it names.
        text: Its contents, where they are at hand; it is read where None.

    Raises:
        StudyError: The file cannot be read, is not YAML, or has more than `MOST_VALUES` values; names the line.
    """
    try:
        if text is None:
            text = path.read_text(encoding="utf-8")
        loader = _Loader(text)
        try:
            value = loader.get_single_data()
        finally:
            loader.dispose()
    except OSError as error:
        raise StudyError(f"{path}: Expected a readable file, but got: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: Expected UTF-8, but got: {error.reason} at byte {error.start}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise StudyError(f"{path}:{line}: Expected YAML, but got: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # also dates that are none, lists within lists
        raise StudyError(f"{path}: Expected YAML, but got: {error}") from error
    if _values(value) > MOST_VALUES:
        raise StudyError(f"{path}: Expected at most {MOST_VALUES} values, those that aliases repeat counted each time")
    return Node(path, "", value, files or StudyFiles())


def _values(root: Any) -> int:
    """How many values a document stands for; each is looked at once, however often aliases repeat it."""
    counted: dict[int, int] = {}
    waiting = [root]
    while waiting:
        value = waiting[-1]
        within = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        missing = [each for each in within if id(each) not in counted]
        if missing and id(value) not in counted:
            counted[id(value)] = MOST_VALUES + 1  # a list may hold itself
            waiting += missing
            continue
        counted[id(value)] = 1 + sum(counted[id(each)] for each in within)
        waiting.pop()
    return counted[id(root)]
