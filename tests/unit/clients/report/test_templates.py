"""No text of a study is markup on its page, wherever it comes from."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from importlib.resources import files

import jinja2
import pytest
from babelscope.report.build import render
from babelscope.report.numbers import Numbers
from babelscope.report.parts import PARTS
from babelscope.report.payload import payload
from babelscope.report.templates import render_template
from babelscope.study.result import StudyResult
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.texts import with_text

TEMPLATES = files("babelscope") / "report" / "templates"


class Outline(HTMLParser):
    """The elements of a page with the names of their attributes, its text, and its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self._within = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, *(name for name, _ in attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}",))
        self._within = ""

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment",))

    def handle_decl(self, decl: str) -> None:
        self.elements.append(("declaration",))

    def handle_data(self, data: str) -> None:
        (self.scripts if self._within == "script" else self.text).append(data)


def outline(result: StudyResult) -> Outline:
    """The outline of a page, Plotly's own script aside, which is long and the same on every page."""
    page = render(result)
    start = page.index("<script>")
    return Outline(page[:start] + page[page.index("</script>", start) :])


def few_layers(result: StudyResult) -> StudyResult:
    """The same with rows of two layers, which are enough for every figure."""
    return dataclasses.replace(result, rows=tuple(row for row in result.rows if row.layer in (0, 3)))


@pytest.fixture(scope="module")
def harmless() -> dict[str, Outline]:
    """The outline of a page with a harmless text, made once."""
    return {}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12))
@example("<script>alert(1)</script>")
@example("</script><script>alert(1)</script>")
@example("</style><b>bold</b>")
@example("\" onload=\"alert(1)\" ' onload='alert(1)'")
@example("<!-- <script")
@example("]]>&lt;&amp;&#60;")
@example("{{ 7 * 7 }}{% raw %}{# gone #}")
@example("\u2028\u2029\u202e日本語 עברית 👩‍🔬")
def test_any_text_is_shown_and_is_never_markup(
    whole: StudyResult, spoken: tuple[str, ...], harmless: dict[str, Outline], text: str
) -> None:
    if not harmless:
        harmless["page"] = outline(with_text(few_layers(whole), "§§§", spoken))
    said = f"§{text}"  # which begins no language tag
    hostile = with_text(few_layers(whole), said, spoken)
    found = outline(hostile)
    assert found.elements == harmless["page"].elements
    shown = "".join(found.text)
    count = "".join(harmless["page"].text).count("§§§")
    assert count > 60
    assert shown.count(said) >= count
    # The numbers come back as they are, and nothing in them could end their element.
    numbers = Numbers(hostile)
    records = [(part, each) for part in PARTS if (each := part.section.records(hostile))]
    (data, _) = found.scripts
    assert json.loads(data) == json.loads(json.dumps(payload(hostile, numbers, records)))
    assert not set("<>&") & set(data)


def test_every_value_is_escaped_but_the_page_s_own_assets() -> None:
    listed = [each for folder in (TEMPLATES, TEMPLATES / "parts") for each in folder.iterdir() if each.is_file()]
    assert {f"parts/{each.name}" for each in (TEMPLATES / "parts").iterdir()} == {part.template for part in PARTS}
    text = "".join(each.read_text(encoding="utf-8") for each in listed)
    assert re.findall(r"(\w+) *\| *safe", text) == ["css", "plotly", "script"]
    assert "autoescape" not in text


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'result' is undefined"):
        render_template("notices.html")
