"""Language tags as long as a message: they are read, and not kept."""

from babelscope.data import languages


def test_long_tags_are_not_kept() -> None:
    before = languages._known.cache_info().currsize
    for number in range(3):
        assert languages.read_tag(f"en-{number}{'x' * 100_000}").language == "en"
    assert languages._known.cache_info().currsize == before
    assert languages.read_tag("zh-hant") is languages.read_tag("zh-hant")
