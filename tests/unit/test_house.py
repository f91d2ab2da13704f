"""The rules of the house, held against the code itself: who imports whom, how long a file is, what is never called.

`test_rooms.py` holds what is true of folders.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.code import ROOT, WINGS, label, sources, wrong_imports

START_UP = {"__main__.py", "service.py"}
KNOWN_TO = {
    ("sqlalchemy", "alembic"): ("trainer/jobs",),
    ("ray",): ("trainer/cluster", "trainer/serving"),
}
LINES_AT_MOST = 400


@pytest.mark.parametrize("wing", WINGS)
def test_no_service_imports_another(wing: str) -> None:
    others = [f"services.{other}" for other in WINGS if other != wing]
    assert not wrong_imports(sources(f"services/{wing}"), *others)


@pytest.mark.parametrize("shared", ["runtime", "models"])
def test_what_services_share_imports_no_service(shared: str) -> None:
    above = [f"services.{wing}" for wing in WINGS] + ["services.models"] * (shared == "runtime")
    assert not wrong_imports(sources(f"services/{shared}"), *above)


@pytest.mark.parametrize("wing", ["metrics", "datagen"])
def test_only_encoder_and_trainer_load_models(wing: str) -> None:
    assert not wrong_imports(sources(f"services/{wing}"), "services.models")


def test_the_client_imports_no_service() -> None:
    assert not wrong_imports(sources("clients/babelscope"), "services")


def _folders(path: Path) -> tuple[str, ...]:
    """Folders of a module below services/."""
    return path.relative_to(ROOT / "services").parts[:-1]


def _speaks_grpc(path: Path) -> bool:
    """Whether a module may know gRPC: the doors, start-up, and what all servers share."""
    folders = _folders(path)
    return folders[:1] == ("runtime",) or "api" in folders or (len(folders) == 1 and path.name in START_UP)


def test_only_the_doors_and_start_up_know_grpc() -> None:
    domain = [path for path in sources("services") if not _speaks_grpc(path)]
    assert not wrong_imports(domain, "grpc", "grpc_health", "grpc_reflection", "babelscope.v1")


@pytest.mark.parametrize(("packages", "rooms"), KNOWN_TO.items())
def test_sql_and_ray_are_known_to_their_rooms_alone(packages: tuple[str, ...], rooms: tuple[str, ...]) -> None:
    others = [path for path in sources("services") if "/".join(_folders(path)[:2]) not in rooms]
    assert not wrong_imports(others, *packages)


def test_doors_hold_no_mathematics() -> None:
    doors = [path for path in sources("services") if "api" in _folders(path)]
    assert not wrong_imports(doors, "torch", "scipy", "transformers", "sklearn")


def test_a_file_holds_one_concept() -> None:
    paths = sources("services", "clients", "scripts", "benchmarks", "tests")
    lines = {label(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    long = {path: count for path, count in lines.items() if count > LINES_AT_MOST}
    assert not long, f"{long} lines: one room or two?"


UNSAFE = re.compile(r"\bpickle\b|torch\.load\(|trust_remote_code\s*=\s*True|\beval\(|\bexec\(|\byaml\.load\(")


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    """All modules of services and clients, parsed."""
    return {label(path): ast.parse(path.read_text(encoding="utf-8")) for path in sources("services", "clients")}


def test_nothing_is_unpickled_or_executed(trees: dict[str, ast.Module]) -> None:
    unsafe = {}
    for path, tree in trees.items():
        code = "\n".join(ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call))
        if found := UNSAFE.search(code.replace("model.eval(", "model.train(False")):
            unsafe[path] = found[0]
    assert not unsafe
    assert not wrong_imports(sources("services", "clients"), "pickle", "marshal", "shelve", "dill")


def test_public_things_are_described(trees: dict[str, ast.Module]) -> None:
    bare = [path for path, tree in trees.items() if not ast.get_docstring(tree)]
    bare += [
        f"{path}: {node.name}"
        for path, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not bare, f"{bare} have no docstring"


PARAMETERS_AT_MOST = 10


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Parameters of a function, `self` and `cls` aside; `*args` and `**options` count one each."""
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return sum(name not in {"self", "cls"} for name in names) + (given.vararg is not None) + (given.kwarg is not None)


def test_no_function_has_more_than_ten_parameters(trees: dict[str, ast.Module]) -> None:
    wrong = [
        f"{path}: {node.name} has {_parameters(node)}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _parameters(node) > PARAMETERS_AT_MOST
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
