import difflib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime import suggestions
from services.runtime.suggestions import LONGEST, MOST, closest, hint, unknown

MEASURES = ("cka", "rbf", "svcca", "pwcca", "procrustes")


@pytest.mark.parametrize(
    ("name", "near"),
    [("ckaa", "cka"), ("procruste", "procrustes"), ("svca", "svcca"), ("retrieval", None), ("", None)],
)
def test_the_closest_name_is_offered(name: str, near: str | None) -> None:
    assert closest(name, MEASURES) == ([near] if near else [])
    assert hint(name, MEASURES) == (f"; did you mean {near!r}?" if near else "")


def test_an_unknown_name_is_answered_with_those_offered() -> None:
    error = unknown("spec.measure", "a measure", "ckaa", MEASURES)
    assert error.field == "spec.measure"
    expected = "Expected a measure of cka, rbf, svcca, pwcca, procrustes, but got 'ckaa'; did you mean 'cka'?"
    assert error.problem == expected


def test_an_error_stays_short_whatever_it_is_about() -> None:
    error = unknown("field", "a view", "x" * 10_000, [f"view-{number}" for number in range(10_000)])
    assert len(error.problem) < 1000
    assert "view-39, ..., but got" in error.problem


def test_the_best_of_many_names_is_found() -> None:
    names = [f"org{number}/model-{number}" for number in range(5000)]
    assert closest("org4711/modle-4711", names) == ["org4711/model-4711"]


@given(st.text("abc", max_size=12), st.lists(st.text("abc", max_size=12), max_size=MOST), st.integers(1, 5))
def test_few_short_names_are_compared_as_difflib_compares_them(name: str, names: list[str], n: int) -> None:
    assert closest(name, names, n=n) == difflib.get_close_matches(name, names, n=n)


def test_what_is_compared_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, list[str]]] = []

    def spy(name: str, names: list[str], **_: Any) -> list[str]:
        compared.append((name, names))
        return []

    monkeypatch.setattr(suggestions.difflib, "get_close_matches", spy)
    assert closest("a" * (LONGEST + 1), ["a" * LONGEST]) == []
    assert compared == []
    closest("a" * LONGEST, ["a" * number for number in range(10 * MOST)])
    (name, names) = compared[0]
    assert len(name) == LONGEST
    assert len(names) == MOST
    assert max(map(len, names)) <= LONGEST
