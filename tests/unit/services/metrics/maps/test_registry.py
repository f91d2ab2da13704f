"""Options of methods: read from strings, every mistake named."""

from dataclasses import fields

import pytest

from services.metrics.maps.procrustes import ProcrustesOptions
from services.metrics.maps.registry import METHODS, Common, make
from services.runtime.errors import InvalidArgument


def test_defaults_are_those_of_the_dataclasses() -> None:
    method, options, common = make("procrustes", {})
    assert method.name == "procrustes"
    assert options == ProcrustesOptions("iterative", 0, 15_000)
    assert common == Common(10_000, 20_000, 10)


def test_values_are_read_by_type() -> None:
    _, options, common = make("dema", {"steps": "70", "zipf": "0.5", "device": "cpu", "csls_k": "3"})
    assert (options.steps, options.zipf, options.device, common.csls_k) == (70, 0.5, "cpu", 3)


WRONG = {
    "no such option": ("procrustes", {"refinement": "1"}, "refinement", "did you mean 'refinements'"),
    "of another method": ("procrustes", {"steps": "1"}, "steps", "an option of procrustes of normalisation, "),
    "no number": ("procrustes", {"refinements": "many"}, "refinements", "whole number within 0..100, but got 'many'"),
    "no whole number": ("procrustes", {"refinements": "1.5"}, "refinements", "a whole number within 0..100"),
    "too large": ("procrustes", {"refinements": "101"}, "refinements", "0..100, but got '101'"),
    "too small": ("procrustes", {"csls_k": "0"}, "csls_k", "1..1000, but got '0'"),
    "not a number": ("dema", {"zipf": "nan"}, "zipf", "a number within 0..4, but got 'nan'"),
    "infinite": ("dema", {"supervision": "inf"}, "supervision", "a number of at least 0, but got 'inf'"),
    "none of the choices": ("procrustes", {"normalisation": "unti"}, "normalisation", "did you mean 'unit'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_named(case: str) -> None:
    method, options, field, message = WRONG[case]
    with pytest.raises(InvalidArgument) as caught:
        make(method, options)
    assert caught.value.field == f"spec.options[{field}]"
    assert message in caught.value.problem


def test_an_unknown_method_is_named_with_those_that_there_are() -> None:
    with pytest.raises(InvalidArgument, match=r"a method of procrustes, .*did you mean 'procrustes'") as caught:
        make("procrustean", {})
    assert caught.value.field == "spec.method"


@pytest.mark.parametrize("name", METHODS)
def test_every_option_has_a_default_and_a_summary(name: str) -> None:
    method = METHODS[name]
    assert method.name == name
    assert method.summary
    common = {each.name for each in fields(Common)}
    for each in fields(method.Options):
        assert each.metadata["summary"], each.name
        assert type(each.default) in {bool, int, float, str}, each.name
        assert each.name not in common


@pytest.mark.parametrize("name", METHODS)
def test_a_default_written_out_is_the_default(name: str) -> None:
    method, options, _ = make(name, {})
    written = {each.name: str(getattr(options, each.name)) for each in fields(method.Options)}
    assert make(name, written)[1] == options
