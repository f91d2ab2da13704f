"""Links of words: files, rows of activations, and the aligners on sentences with a known translation."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from babelscope.corpora.word_alignments import align_words, linked_rows, read_alignments, write_alignments
from babelscope.errors import BabelscopeError, CorpusError


def _pairs(count: int) -> tuple[list[tuple[list[str], list[str]]], list[set[tuple[int, int]]]]:
    """Sentences of a word-for-word translation, whose target is turned around in part, with their links."""
    rng = np.random.default_rng(0)
    pairs, gold = [], []
    for _ in range(count):
        words = rng.permutation(40)[: int(rng.integers(4, 9))].tolist()
        order = list(range(len(words)))
        order[0], order[1] = order[1], order[0]
        pairs.append(([f"s{word}" for word in words], [f"t{words[place]}" for place in order]))
        gold.append({(place, position) for position, place in enumerate(order)})
    return pairs, gold


def test_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    links = [((0, 0), (2, 1)), (), ((10, 3),)]
    write_alignments(links, tmp_path / "links")
    assert (tmp_path / "links").read_text() == "0-0 2-1\n\n10-3\n"
    assert read_alignments(tmp_path / "links") == links
    (tmp_path / "wrong").write_text("0-0\n1-x\n")
    with pytest.raises(CorpusError, match="Expected links i-j") as caught:
        read_alignments(tmp_path / "wrong")
    assert caught.value.line == 2


def test_links_are_pairs_of_rows() -> None:
    assert linked_rows(["a", "b"], [((0, 1), (2, 0)), ()], [(3, 2), (1, 1)]) == [("a#0", "a#1"), ("a#2", "a#0")]
    with pytest.raises(ValueError, match="each of 1 pairs of sentences, but got 2"):
        linked_rows(["a"], [(), ()])
    with pytest.raises(ValueError, match=r"links within \(3, 1\) words of 'a', but got 0-1"):
        linked_rows(["a"], [((0, 1),)], [(3, 1)])


def test_fast_align_finds_a_known_translation() -> None:
    pytest.importorskip("thot")
    pairs, gold = _pairs(300)
    pairs.insert(1, ([], ["t1"]))
    gold.insert(1, set())
    found = [set(links) for links in align_words(pairs)]
    assert found[1] == set()
    right = sum(len(ours & theirs) for ours, theirs in zip(found, gold, strict=True))
    assert right / sum(map(len, found)) > 0.95
    assert right / sum(map(len, gold)) > 0.9


def test_eflomal_is_a_program_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with its arguments, which links words of equal places one way, and only the first the other way."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BabelscopeError, match="Expected the program eflomal-align"):
        align_words([(["a"], ["b"])], "eflomal")
    program = tmp_path / "eflomal-align"
    program.write_text(
        f"#!{os.path.realpath('/bin/sh')}\n"
        'while read -r line; do echo "0-0 1-1" >> "$4"; echo "0-0" >> "$6"; done < "$2"\n'.replace("\\\n", "\n")
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert align_words([(["a b", "|||"], ["c", "d"]), ([], ["x"]), (["a"], ["b"])], "eflomal") == [
        ((0, 0),), (), ((0, 0),),
    ]  # fmt: skip
    program.write_text(f"#!{os.path.realpath('/bin/sh')}\necho no >&2; exit 3\n")
    with pytest.raises(BabelscopeError, match="it failed: no"):
        align_words([(["a"], ["b"])], "eflomal")


def test_what_cannot_be_aligned_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected a tool of fast_align, eflomal"):
        align_words([(["a"], ["b"])], "giza")
    with pytest.raises(ValueError, match="at least one pair"):
        align_words([])
    assert align_words([([], [])]) == [()]
