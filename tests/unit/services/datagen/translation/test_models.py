"""Real sequence-to-sequence models, end to end: trained here, then through transformers and CTranslate2."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from babelscope.data.examples import Answer, Example, Question

from services.datagen.translation.model_files import ModelFolders, digest
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.support.datagen_corpora import assert_offsets, transform
from tests.support.tiny_translator import PAIRS, train, word_by_word
from tests.support.translating import Systems

CONTEXT = "the old king sees a big dog. queen finds water near the river. a cat likes the red book."
QUESTIONS = [
    Example(name, Question(CONTEXT, question, (Answer(answer, CONTEXT.index(answer)),)), "en")
    for name, question, answer in (
        ("q1", "the king sees a dog?", "a big dog"),
        ("q2", "queen finds water near the river?", "near the river"),
        ("q3", "a cat likes the book?", "the red book"),
    )
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root with the models `en-de` and `de-en`."""
    import torch

    root, threads = tmp_path_factory.mktemp("models"), torch.get_num_threads()
    torch.set_num_threads(1)
    train(root / "en-de")
    train(root / "de-en", reverse=True)
    yield root
    torch.set_num_threads(threads)


def _systems(models: Path, tmp_path: Path) -> Systems:
    return Systems(
        settings={"translation_roots": str(models), "translation_device": "cpu", "translation_threads": 1},
        cache=tmp_path / "cache",
    )


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["transformers", "ctranslate"])
def test_a_trained_model_translates_questions_and_answers_are_found_again(
    backend: str, models: Path, tmp_path: Path
) -> None:
    systems = _systems(models, tmp_path)
    options = {"backend": backend, "model": "en-de", "beam": 2, "batch_tokens": 64}
    done, report = transform("translate", QUESTIONS, systems, target="de", **options)
    expected = " ".join(word_by_word(sentence) for sentence in CONTEXT.replace(". ", ".\n").split("\n"))
    for example, old in zip(done, QUESTIONS, strict=True):
        assert example.content.context == expected
        assert example.content.question == word_by_word(old.content.question)
        assert example.content.answers[0].start == -1
        assert example.attributes["translated_by"] == f"{backend}:en-de"
    assert report.counts["texts"] == 9
    found, recovery = transform("recover_answers", done)
    assert_offsets(found)
    assert [example.content.answers[0].text for example in found] == ["ein gross hund", "nahe ze fluss", "ze rot buch"]
    assert recovery.counts["exact"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["transformers", "ctranslate"])
def test_batches_do_not_change_translations(backend: str, models: Path, tmp_path: Path) -> None:
    chance = random.Random(5)
    texts = [" ".join(chance.choice(list(PAIRS)) for _ in range(chance.randint(1, 10))) + "." for _ in range(120)]
    examples = [Example(str(i), text, "en") for i, text in enumerate(texts)]
    systems = _systems(models, tmp_path)
    for size, beam in ((16, 1), (512, 1), (512, 4)):
        options = {"backend": backend, "model": "en-de", "batch_tokens": size, "beam": beam}
        done, _ = transform("translate", examples, systems, target="de", **options)
        right = sum(one.content == word_by_word(text) for one, text in zip(done, texts, strict=True))
        assert right >= 0.97 * len(texts)


@pytest.mark.slow
def test_back_translation_through_two_models(models: Path, tmp_path: Path) -> None:
    done, _ = transform(
        "back_translate",
        QUESTIONS,
        _systems(models, tmp_path),
        pivot="de",
        backend="ctranslate",
        model="en-de",
        back_model="de-en",
    )
    found, _ = transform("recover_answers", done)
    assert [example.content for example in found] == [example.content for example in QUESTIONS]


@pytest.mark.slow
def test_a_conversion_is_kept_by_digest(models: Path, tmp_path: Path) -> None:
    options = {"target": "de", "backend": "ctranslate", "model": "en-de"}
    transform("translate", [], _systems(models, tmp_path), **options)
    [kept] = (tmp_path / "cache").iterdir()
    assert kept.name.startswith(digest(models / "en-de"))
    before = (kept / "model.bin").stat().st_mtime_ns
    transform("translate", [], _systems(models, tmp_path), **options)
    assert [(path, (path / "model.bin").stat().st_mtime_ns) for path in (tmp_path / "cache").iterdir()] == [
        (kept, before)
    ]


def test_folders_are_refused_that_hold_no_safetensors_or_lie_elsewhere(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("pickled", "bare"):
        (root / name).mkdir(parents=True)
    (root / "pickled" / "config.json").write_text("{}")
    (root / "pickled" / "pytorch_model.bin").write_bytes(b"x")
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    folders = ModelFolders([root], hub=False)
    with pytest.raises(FailedPrecondition, match="Expected weights as safetensors"):
        folders.find("pickled")
    with pytest.raises(FailedPrecondition, match=r"no config\.json"):
        folders.find("bare")
    with pytest.raises(InvalidArgument, match="a link leads out of it"):
        folders.find("link")
    for name in ("../outside", "/etc", "a//b", "x\\y", ""):
        with pytest.raises(InvalidArgument, match="below a root"):
            folders.find(name)
    with pytest.raises(NotFound, match="pickled"):
        folders.find("missing")


@pytest.mark.slow
def test_a_damaged_model_is_refused(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "en-de", tmp_path / "roots" / "cut")
    weights = tmp_path / "roots" / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    for backend in ("transformers", "ctranslate"):
        with pytest.raises(FailedPrecondition, match="model cut"):
            transform(
                "translate", [], _systems(tmp_path / "roots", tmp_path), target="de", backend=backend, model="cut"
            )
