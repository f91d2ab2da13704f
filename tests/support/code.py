"""The project's own source, as the rules of the house look at it."""

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WINGS = ("encoder", "metrics", "datagen", "trainer")
"""Folders of services/ that serve; `runtime` and `models` are shared by them."""


def sources(*folders: str) -> list[Path]:
    """Modules below folders of the project, generated stubs left out."""
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in files if "v1" not in path.relative_to(ROOT).parts)


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Full names of what a module imports, anywhere in it: modules, and names within them."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.append(node.module or "")
            found += (f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(found)


def within(name: str, *packages: str) -> bool:
    """Whether a name is one of the packages or lies in one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def label(path: Path) -> str:
    """A path as errors name it."""
    return str(path.relative_to(ROOT))


def module_name(path: Path) -> str:
    """The name by which a module is imported."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts = parts[1:] if parts[0] == "clients" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def wrong_imports(paths: Iterable[Path], *packages: str) -> list[str]:
    """What modules import of packages that they may not import."""
    return [
        f"{label(path)} imports {name}"
        for path in paths
        for name in sorted(set(imports(path)))
        if within(name, *packages)
    ]


def room_graph(folder: str) -> dict[str, dict[str, str]]:
    """Which rooms of a folder import which: its sub-folders, and each of its own modules.

    Args:
        folder: `services/metrics`, `clients/babelscope`.

    Returns:
        By room and imported room, one import that makes the arrow: `a.py imports b`.
    """
    top = ROOT / folder
    package = module_name(top / "__init__.py")
    rooms = {path.name for path in top.iterdir() if path.is_dir()} | {path.stem for path in top.glob("*.py")}
    graph: dict[str, dict[str, str]] = {}
    for path in top.rglob("*.py"):
        room = path.relative_to(top).with_suffix("").parts[0]
        arrows = graph.setdefault(room, {})
        for name in imports(path):
            other = name.removeprefix(f"{package}.").split(".")[0] if within(name, package) else ""
            if other in rooms and other != room:
                arrows.setdefault(other, f"{label(path)} imports {name}")
    return graph


def circles(graph: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    """Rooms that import one another, directly or through others: the strongly connected components of more than one."""
    reached = {room: _reached(graph, room) for room in graph}
    found = {tuple(sorted(other for other in seen if room in reached.get(other, ()))) for room, seen in reached.items()}
    return sorted(list(circle) for circle in found if circle)


def _reached(graph: Mapping[str, Mapping[str, str]], room: str) -> set[str]:
    seen: set[str] = set()
    waiting = [room]
    while waiting:
        for other in graph.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen
