"""The rooms of the house, held against the code: no circle, no climbing arrow, no crowd, tests in their places."""

from pathlib import Path

import pytest

from tests.support.code import ROOT, circles, imports, label, module_name, room_graph, sources, wrong_imports

MODULES_AT_MOST = 15

LISTED_BY = {
    "clients/babelscope/cli": "__init__.py",
    "clients/babelscope/corpora": "registry.py",
    "clients/babelscope/report/parts": "registry.py",
    "clients/babelscope/study/sections": "registry.py",
    "services/datagen/transforms": "registry.py",
    "services/metrics/maps": "registry.py",
    "services/metrics/scores": "registry.py",
    "services/metrics/similarity": "__init__.py",
    "services/models/families": "__init__.py",
    "services/trainer/tasks": "__init__.py",
}
"""Folders of siblings, alike in shape, and the module of theirs that lists them: one more is no crowd."""


def _packages() -> list[str]:
    """All folders of modules."""
    return sorted({label(path.parent) for path in sources("services", "clients/babelscope")})


@pytest.mark.parametrize("folder", _packages())
def test_no_rooms_import_one_another(folder: str) -> None:
    graph = room_graph(folder)
    told = [
        graph[room][other] for circle in circles(graph) for room in circle for other in graph[room] if other in circle
    ]
    assert not told


def test_circles_are_found() -> None:
    arrow = "a imports b"
    assert circles({"api": {"sums": arrow}, "sums": {"rows": arrow}, "rows": {}}) == []
    tied = {"api": {"sums": arrow}, "sums": {"rows": arrow}, "rows": {"maps": arrow}, "maps": {"sums": arrow}}
    assert circles(tied) == [["maps", "rows", "sums"]]


def test_no_arrow_climbs_to_a_door() -> None:
    """What serves requests, and what starts it, is imported by start-up and by the door itself alone."""
    for path in sources("services"):
        wing, *rooms = path.relative_to(ROOT / "services").parts
        package = f"services.{wing}"
        if rooms and rooms[0] not in {"api", "service.py", "__main__.py"}:
            assert not wrong_imports([path], f"{package}.api", f"{package}.service", f"{package}.__main__")
    below = [path for path in sources("clients/babelscope") if "cli" not in path.relative_to(ROOT).parts]
    assert not wrong_imports(below, "babelscope.cli")


def _listed(folder: Path) -> set[str]:
    """Siblings that the folder's registry lists: it imports them, or names them."""
    registry = LISTED_BY.get(label(folder))
    if registry is None:
        return set()
    path = folder / registry
    package = module_name(folder / "__init__.py")
    text = path.read_text(encoding="utf-8")
    names = {name.removeprefix(f"{package}.").split(".")[0] for name in imports(path) if name.startswith(package)}
    return names | {module.stem for module in folder.glob("*.py") if f'"{module.stem}"' in text}


@pytest.mark.parametrize("folder", _packages())
def test_a_folder_is_no_crowd(folder: str) -> None:
    modules = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__", "__main__"}
    others = sorted(modules - _listed(ROOT / folder))
    assert len(others) <= MODULES_AT_MOST, f"{folder} has {len(others)} modules besides registered siblings: {others}"


MIRRORED = {"services": ROOT / "services", "clients": ROOT / "clients" / "babelscope"}
TESTS = sorted((ROOT / "tests" / "unit").rglob("test_*.py"))


def _misplaced(path: Path) -> str:
    """What is wrong with the place of a file of tests; nothing where it is empty."""
    tree, *folders = path.relative_to(ROOT / "tests" / "unit").parts[:-1] or ("",)
    if tree not in MIRRORED:
        return ""
    room = MIRRORED[tree].joinpath(*folders)
    if not room.is_dir():
        return f"{label(path)} tests a room that does not exist: {label(room)}"
    name = path.stem.removeprefix("test_")
    if tree == "clients" or name == room.name or (room / f"{name}.py").exists() or (room / name).is_dir():
        return ""
    elsewhere = [label(one) for one in (MIRRORED[tree] / folders[0]).rglob(f"{name}.py")]
    return f"{label(path)} bears the name of a module of another room: {elsewhere}" if elsewhere else ""


def test_unit_tests_stand_where_their_room_stands() -> None:
    """A folder of tests is a room of the code; a file may hold several modules of that room, and bear its own name."""
    assert not [wrong for path in TESTS if (wrong := _misplaced(path))]
