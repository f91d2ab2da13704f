"""The page's script is put together from modules, in an order in which each finds what it imports."""

import re
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest
from babelscope.report import write_report
from babelscope.report.build import LAYERS, SHARED, START, render
from babelscope.report.parts import PARTS
from babelscope.study.result import StudyResult

from tests.support import chromium
from tests.support.texts import with_text

ASSETS = files("babelscope") / "report" / "assets"
ORDER = [*SHARED, *LAYERS, *(part.script for part in PARTS if part.script), START]
IMPORT = re.compile(r'^import \{([^}]+)\} from "([^"]+)";$', re.MULTILINE)
HOSTILE = "<b onclick='x'>&amp;%{y}"


def names(folder: Traversable, above: str = "") -> Iterator[str]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from names(each, f"{above}{each.name}/")
        elif each.name.endswith(".js"):
            yield above + each.name


def source(name: str) -> str:
    return ASSETS.joinpath(*name.split("/")).read_text(encoding="utf-8")


def exported(name: str) -> set[str]:
    return set(re.findall(r"^export (?:const|function) ([\w$]+)", source(name), flags=re.MULTILINE))


def test_every_module_is_on_the_page_once() -> None:
    assert sorted(ORDER) == sorted(names(ASSETS))


@pytest.mark.parametrize("name", ORDER)
def test_a_module_stands_after_those_that_it_imports(name: str) -> None:
    before = ORDER[: ORDER.index(name)]
    imports = IMPORT.findall(source(name))
    assert len(imports) == len(re.findall(r"^import\b", source(name), flags=re.MULTILINE))
    for listed, path in imports:
        imported = str((Path("/") / name).parent.joinpath(path).resolve().relative_to("/"))
        assert imported in before
        assert {each.strip() for each in listed.split(",") if each.strip()} <= exported(imported)


def test_no_two_modules_share_a_name() -> None:
    declared = Counter(
        name
        for each in ORDER
        for name in re.findall(r"^(?:export )?(?:const|let|function) ([\w$]+)", source(each), flags=re.MULTILINE)
    )
    assert [name for name, count in declared.items() if count > 1] == []


def test_no_import_remains(whole: StudyResult) -> None:
    script = render(whole).rsplit("<script>", 1)[1]
    assert not re.search(r"^(import|export)\b", script, flags=re.MULTILINE)
    assert script.count("sections.") >= len([part for part in PARTS if part.script])


@pytest.mark.browser
def test_figures_show_a_study_s_texts_as_they_are(
    page: chromium.Page, whole: StudyResult, spoken: tuple[str, ...], tmp_path: Path
) -> None:
    path = write_report(with_text(whole, HOSTILE, spoken), tmp_path)
    page.events.clear()
    page.size(1200, 900)
    page.open(path.as_uri())
    assert page.run("document.documentElement.dataset.ready") == "true"
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.run("new Promise((done) => setTimeout(done, 50))")
    # The language's name in a heat map's axis, in a legend, in a menu, and in the tables of these figures.
    shown = "((selector) => [...document.querySelectorAll(selector)].map((each) => each.textContent))"
    assert HOSTILE in page.run(f"{shown}('#fig-heat .ytick text')")
    assert HOSTILE in page.run(f"{shown}('#source option')")
    assert HOSTILE in page.run(f"{shown}('details[data-table=fig-heat] th')")
    assert page.run("document.querySelectorAll('[onclick], svg b').length") == 0
    assert page.run("[...document.querySelectorAll('svg tspan')].filter((each) => each.style.fontWeight).length") == 0
    assert page.complaints(path.as_uri()) == []
