"""The rules of the house, held against the code itself: who imports whom, how long a file is, what is never called."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WINGS = ("encoder", "metrics", "datagen", "trainer")
DOORS = {"__main__.py", "servicer.py"}
LINES_AT_MOST = 400


def _sources(*folders: str) -> list[Path]:
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in files if "v1" not in path.relative_to(ROOT).parts)


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def _label(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("wing", WINGS)
def test_no_service_imports_another(wing: str) -> None:
    others = [f"services.{other}" for other in WINGS if other != wing]
    wrong = [
        f"{_label(path)} imports {name}"
        for path in _sources(f"services/{wing}")
        for name in _imports(path)
        if _within(name, *others)
    ]
    assert not wrong


def test_the_runtime_imports_no_wing() -> None:
    wrong = [
        f"{_label(path)} imports {name}"
        for path in _sources("services/runtime")
        for name in _imports(path)
        if _within(name, *(f"services.{wing}" for wing in WINGS))
    ]
    assert not wrong


def test_the_client_imports_no_service() -> None:
    wrong = [
        f"{_label(path)} imports {name}"
        for path in _sources("clients/babelscope")
        for name in _imports(path)
        if _within(name, "services")
    ]
    assert not wrong


def _speaks_messages(path: Path) -> bool:
    """Whether a module of a wing stands on the first floor or above: the doors and what serves them alone."""
    first_lines = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return path.name in DOORS or "messages" in first_lines.split("\n")[0].lower()


def test_domain_modules_know_no_grpc_ray_or_sql() -> None:
    wrong = [
        f"{_label(path)} imports {name}"
        for wing in WINGS
        for path in _sources(f"services/{wing}")
        if not _speaks_messages(path)
        for name in _imports(path)
        if _within(name, "grpc", "ray", "sqlalchemy", "babelscope.v1")
    ]
    assert not wrong


def test_servicers_hold_no_mathematics() -> None:
    wrong = [
        f"{_label(path)} imports {name}"
        for path in _sources("services")
        if path.name == "servicer.py"
        for name in _imports(path)
        if _within(name, "torch", "scipy", "transformers")
    ]
    assert not wrong


@pytest.mark.parametrize("path", _sources("services", "clients", "scripts", "benchmarks", "tests"), ids=_label)
def test_a_file_holds_one_concept(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LINES_AT_MOST, f"{_label(path)} has {lines} lines: one room or two?"


UNSAFE = re.compile(r"\bpickle\b|torch\.load\(|trust_remote_code\s*=\s*True|\beval\(|\bexec\(|\byaml\.load\(")


@pytest.mark.parametrize("path", _sources("services", "clients"), ids=_label)
def test_nothing_is_unpickled_or_executed(path: Path) -> None:
    code = "\n".join(
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    )
    code = code.replace("model.eval(", "model.train(False")
    assert not UNSAFE.search(code), UNSAFE.search(code)
    assert not any(_within(name, "pickle", "marshal", "shelve", "dill") for name in _imports(path))


@pytest.mark.parametrize("path", _sources("services", "clients"), ids=_label)
def test_public_things_are_described(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{_label(path)} has no docstring"
    bare = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not bare, f"{_label(path)}: {bare} have no docstring"


PARAMETERS_AT_MOST = 10
# Commands, whose parameters are the options of their help: to be emptied.
LONG_COMMANDS = {
    "clients/babelscope/cli/encode.py:encode",
    "clients/babelscope/cli/fit_map.py:fit_map",
    "clients/babelscope/cli/generate.py:generate",
    "clients/babelscope/cli/measure.py:compare",
    "clients/babelscope/cli/prepare.py:text",
    "clients/babelscope/cli/prepare.py:vocabulary",
    "clients/babelscope/cli/project.py:project",
    "clients/babelscope/cli/retrieve.py:retrieve",
    "clients/babelscope/cli/score.py:score",
    "clients/babelscope/cli/statistics.py:correlate",
}


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Parameters of a function, `self` and `cls` aside; `*args` and `**options` count one each."""
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return sum(name not in {"self", "cls"} for name in names) + (given.vararg is not None) + (given.kwarg is not None)


@pytest.mark.parametrize("path", _sources("services", "clients"), ids=_label)
def test_no_function_has_more_than_ten_parameters(path: Path) -> None:
    wrong = [
        f"{node.name} has {_parameters(node)}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and _parameters(node) > PARAMETERS_AT_MOST
        and f"{_label(path)}:{node.name}" not in LONG_COMMANDS
    ]
    assert not wrong


def test_the_light_client_needs_no_heavy_package() -> None:
    heavy = ("torch", "transformers", "scipy", "fsspec", "plotly", "matplotlib", "prometheus_client", "pydantic")
    probe = f"import sys, babelscope, babelscope.aio, babelscope.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT / "clients"
    )
    assert done.stdout.strip() == "[]"


def test_the_stubs_are_those_of_the_contract() -> None:
    done = subprocess.run([sys.executable, "scripts/protos.py", "check"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_synchronous_clients_are_those_of_the_asynchronous_ones() -> None:
    done = subprocess.run([sys.executable, "scripts/unasync.py", "--check"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
