"""Study files that are short and stand for much, or take long to read."""

import time
from pathlib import Path

import pytest
import yaml
from babelscope.errors import StudyError
from babelscope.study.nodes import MOST_VALUES, Node, StudyFiles, _Loader
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
    def scalar(text: str) -> yaml.ScalarNode:
        return yaml.ScalarNode("tag:yaml.org,2002:str", text)

    node = yaml.MappingNode("tag:yaml.org,2002:map", [(scalar(f"k{number}"), scalar("x")) for number in range(20_000)])
    began = time.process_time()
    assert len(_Loader("").construct_mapping(node)) == 20_000
    assert time.process_time() - began < 3.0  # a quarter of a second, and ten of them where each meets all others
    assert "the key 'a' is there twice" in _problem("a: 1\nb: 2\na: 3\n")
    assert "a key is a list or a mapping" in _problem("? [a]\n: 1\n")


@pytest.mark.parametrize("number", ["1" * 5000, "1" + ":59" * 2000, "0x" + "f" * 5000, "0b" + "1" * 5000])
def test_numbers_beyond_all_use_are_refused(number: str) -> None:
    with pytest.raises(
        StudyError, match=r"study\.yaml:2: Expected YAML, but got: a number has \d+ characters"
    ) as caught:
        load_study("study.yaml", text=f"title: t\nname: {number}\n")
    assert len(str(caught.value)) < 200


def test_a_list_as_long_as_may_be_is_read_in_linear_time() -> None:
    node = Node(Path("study.yaml"), "languages", [f"en-x-{number}" for number in range(60_000)])
    began = time.process_time()
    assert len(node.unique(Node.text)) == 60_000
    assert time.process_time() - began < 3.0
    mixed = [["a"], {"b": 1}, "c", ["a", "b"]]
    assert Node(Path("s"), "", mixed).unique(lambda item: item.value) == tuple(mixed)
    for again in mixed:
        with pytest.raises(StudyError, match=r"\[4\]: Expected each item once"):
            Node(Path("s"), "", [*mixed, again]).unique(lambda item: item.value)
