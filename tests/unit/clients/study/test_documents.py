"""Study files that are short and stand for much, or take long to read."""

import time

import pytest
from babelscope.errors import StudyError
from babelscope.study.nodes import MOST_VALUES, StudyFiles
from babelscope.study.schema import load_study


def _problem(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        load_study("study.yaml", files=StudyFiles({}), text=text)
    return str(caught.value)


@pytest.mark.parametrize("levels", [20, 60])
def test_aliases_that_stand_for_more_than_memory_holds_are_refused(levels: int) -> None:
    doubled = "".join(f", &a{level} [*a{level - 1}, *a{level - 1}]" for level in range(1, levels))
    text = f"name: [&a0 [x, x]{doubled}]\ntitle: t\ncorpus: x\nlanguages: [en, fr]\nmodels: [x]"
    assert _problem(text) == (
        f"study.yaml: Expected at most {MOST_VALUES} values, those that aliases repeat counted each time"
    )


def test_a_few_aliases_are_taken() -> None:
    text = "title: &t a title\nname: *t\ncorpus: {pattern: x}\nlanguages: [en, fr]\nmodels: [m]"
    assert "name: Expected letters, digits, dots" in _problem(text)


def test_a_list_within_itself_is_refused() -> None:
    assert "Expected at most" in _problem("name: &a [*a]\ntitle: t\ncorpus: x\nlanguages: [en, fr]\nmodels: [x]")


def test_keys_are_compared_in_linear_time() -> None:
    def seconds(count: int) -> float:
        text = "".join(f"k{number}: 1\n" for number in range(count))
        began = time.process_time()
        assert "k0: Expected one of the keys" in _problem(text)
        return time.process_time() - began

    assert seconds(16_000) < 12 * seconds(4_000)
    assert "the key 'a' is there twice" in _problem("a: 1\nb: 2\na: 3\n")
    assert "a key is a list or a mapping" in _problem("? [a]\n: 1\n")
