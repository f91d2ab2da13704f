import gzip
from pathlib import Path

import pytest
from babelscope.errors import CorpusError

from services.datagen.datasets.dictionaries import (
    MOST_BYTES,
    Pair,
    WordPairs,
    find_dictionary,
    read_dictionary,
    read_pairs,
)
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound


def test_best_first_by_weight_then_order() -> None:
    book = WordPairs([Pair("The", "le"), Pair("the", "la", 3), Pair("the", "les"), Pair("the", "le", 0.5)], source="en")
    assert book.translations("THE") == (("la", 3), ("le", 1), ("les", 1))
    assert book.translations("a") == ()
    assert list(book.sources()) == ["The"]
    assert len(book) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_files_with_tabs_spaces_and_weights(tmp_path: Path, packed: bool) -> None:
    data = b"the\tder\nNew York\tNeu York\t2\n\ncat chat\ndog chien 0.5\r\n"
    path = tmp_path / "en-de.tsv"
    path.write_bytes(gzip.compress(data) if packed else data)
    assert list(read_pairs(path)) == [
        Pair("the", "der"), Pair("New York", "Neu York", 2), Pair("cat", "chat"), Pair("dog", "chien", 0.5)
    ]  # fmt: skip
    assert read_dictionary(path, source="en").translations("new  york") == (("Neu York", 2),)


@pytest.mark.parametrize(
    ("line", "problem"),
    [("one\n", "a word and its translation"), ("a\t\n", "a word"), ("a b c d\n", "a word"), ("a\tb\t-1\n", "weight"),
     ("a\tb\tnan\n", "weight"), ("a\tb\tx\n", "weight")],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("good\tgut\n" + line, encoding="utf-8")
    with pytest.raises(CorpusError, match=problem):
        list(read_pairs(path))
    with pytest.raises(FailedPrecondition, match=r"x\.tsv.*2"):
        read_dictionary(path)


def test_an_empty_dictionary_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.tsv").write_text("\n", encoding="utf-8")
    with pytest.raises(FailedPrecondition, match=r"dictionary empty\.tsv: Expected at least one word pair"):
        read_dictionary(tmp_path / "empty.tsv")


def test_files_are_found_within_the_roots_alone(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "muse").mkdir(parents=True)
    for name in ("muse/en-fr.tsv", "muse/en-el.muse-train.tsv", "muse/de-fr.txt.gz"):
        (root / name).write_text("a\tb\n", encoding="utf-8")
    (tmp_path / "secret.tsv").write_text("a\tb\n", encoding="utf-8")
    roots = [tmp_path / "absent", root]
    assert find_dictionary(roots, "muse", "en", "fr").name == "en-fr.tsv"
    assert find_dictionary(roots, "muse", "en", "el").name == "en-el.muse-train.tsv"
    assert find_dictionary(roots, "muse/{source}-{target}.txt.gz", "de", "fr").name == "de-fr.txt.gz"
    assert find_dictionary(roots, str(root / "muse/en-fr.tsv"), "", "").name == "en-fr.tsv"
    for reference in (str(tmp_path / "secret.tsv"), "muse/none.tsv", "nothing"):
        with pytest.raises(NotFound):
            find_dictionary(roots, reference, "en", "fr")
    with pytest.raises(NotFound, match="did you mean") as raised:
        find_dictionary(roots, "muse", "es", "fr")
    assert raised.value.nearby == ("de-fr.txt.gz", "en-fr.tsv")


@pytest.mark.parametrize("reference", ["../secret.tsv", "a/../../b", "a\0b", "x" * 300, "a\nb", "{source}/a", "//etc"])
def test_what_is_no_path_is_refused(tmp_path: Path, reference: str) -> None:
    with pytest.raises(InvalidArgument, match="dictionary's path below a root") as caught:
        find_dictionary([tmp_path], reference, "..", "fr")
    assert caught.value.field == "dictionary"


def test_a_link_in_a_folder_leads_nowhere_else(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "muse").mkdir(parents=True)
    (root / "real.tsv").write_text("a\tb\n", encoding="utf-8")
    (tmp_path / "secret.tsv").write_text("a\tb\n", encoding="utf-8")
    (root / "muse" / "en-fr.tsv").symlink_to(tmp_path / "secret.tsv")
    (root / "muse" / "en-de.tsv").symlink_to(root / "real.tsv")
    with pytest.raises(InvalidArgument, match="a link leads out of it"):
        find_dictionary([root], "muse", "en", "fr")
    assert read_dictionary(find_dictionary([root], "muse", "en", "de")).translations("a") == (("b", 1.0),)


def test_a_file_too_large_to_be_held_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "en-fr.tsv").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    for reference in ("en-fr.tsv", ""):
        with pytest.raises((FailedPrecondition, InvalidArgument)) as caught:
            find_dictionary([tmp_path], reference, "en", "fr")
        assert isinstance(caught.value, FailedPrecondition) == bool(reference)


@pytest.mark.parametrize("reference", [".", "./", "muse", "muse/", "muse/{source}-{target}.tsv"])
def test_folders_may_be_named_with_and_without_their_slash(tmp_path: Path, reference: str) -> None:
    (tmp_path / "muse").mkdir()
    for folder in (tmp_path, tmp_path / "muse"):
        (folder / "en-de.tsv").write_text("the\tder\n")
    assert find_dictionary([tmp_path], reference, "en", "de").name == "en-de.tsv"


def test_a_link_in_a_circle_and_a_name_that_grows_are_no_dictionaries(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    # `zh` is also spelt `cmn`: what fits as it was given does not as it may be spelt.
    for reference in ("loop", "loop/{source}-{target}.tsv", "one", "{source}" * 100):
        with pytest.raises(NotFound):
            find_dictionary([tmp_path], reference, "zh", "en")
