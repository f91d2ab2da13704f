"""Normalisation forms, against Python's own; the order of marks, by what is left to move."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.text.forms import Form, in_form, ordered

FORMS: list[Form] = ["NFC", "NFKC", "NFD", "NFKD"]
# Marks of several classes, marks that decompose into several, one that is a mark in compatibility only, and starters.
CHARACTERS = "a\u00e9\u0301\u0327\u0323\u0344\u0345\u0f73\u0f81\uff9e\u304b\u3099\ufb01\u1100\u1161"


@pytest.mark.parametrize("form", FORMS)
@given(
    text=st.text(st.sampled_from(CHARACTERS), max_size=200), run=st.text(st.sampled_from(CHARACTERS[2:10]), min_size=25)
)
def test_a_text_has_the_form_that_python_gives_it(form: Form, text: str, run: str) -> None:
    for each in (text, text + run, run * 3 + text):
        assert in_form(form, each) == unicodedata.normalize(form, each)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("marks", ["\u0301\u0327", "\u0f73", "\u0344\u0323"])
def test_no_mark_of_a_long_run_is_left_to_move(form: Form, marks: str) -> None:
    classes = [unicodedata.combining(mark) for mark in ordered(form, "e" + marks * 5000)]
    assert len(classes) > 5000
    assert classes == sorted(classes)
    assert ordered(form, "e" + marks) == "e" + marks


def test_ascii_stays_as_it_is() -> None:
    text = "plain"
    assert in_form("NFKC", text) is text
