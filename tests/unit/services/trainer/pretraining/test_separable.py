"""Models whose languages do not share all parts: what is one object, what each language trains, how they are served."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from babelscope.data.examples import Sentence, Word
from babelscope.data.jobs.architecture import Separation
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM

from services.datagen.preparation.vocabulary import JoinedVocabulary, Vocabulary, join
from services.encoder.loading import load_engine
from services.models.catalogue import LoadedModel, ModelFiles, load_model
from services.models.layers.separate import SeparateBlock, SeparateHead
from services.models.spec import EncodePlan, ModelSpec, Pooling, PredictPlan, Reinit
from services.models.weights import SeparateEmbeddings
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.evaluation.checkpoint import load_fine_tuned
from services.trainer.pretraining.material import gather
from services.trainer.pretraining.plan import Masking, PretrainPlan
from services.trainer.pretraining.pretrain import pretrain
from services.trainer.pretraining.vocabularies import join_vocabularies
from services.trainer.training.events import Event, Progressed, Stopped
from services.trainer.training.fit import fit
from services.trainer.training.plan import FineTunePlan, LanguageSet, Optimisation, Trained
from tests.support.pretraining import DATASETS, ENTRIES, SPECIALS
from tests.support.separable import DATA, description, separable_plan, words_of
from tests.support.task_examples import SETS, direct_score

ALL = [
    Separation(layers=2),
    Separation(embeddings=True, layers=1, softmax=True),
    Separation(embeddings=True, layers=2),
    Separation(softmax=True),
]
NAMED = {
    "nothing": Separation(),
    "embeddings": Separation(embeddings=True, softmax=True),
    "layers": Separation(layers=1),
    "all but the last layer": Separation(embeddings=True, layers=1, softmax=True),
    "softmax": Separation(softmax=True),
}
GOLDEN: dict[str, list[float]] = {
    "nothing": [4.09437, 3.83938, 3.92876, 3.84147, 3.87518, 3.88828],
    "embeddings": [4.10499, 3.69134, 3.68733, 3.66078, 3.68642, 3.64724],
    "layers": [4.09391, 3.76437, 3.79873, 3.76344, 3.81136, 3.69741],
    "all but the last layer": [4.10193, 3.67719, 3.66776, 3.68562, 3.68664, 3.65895],
    "softmax": [3.92272, 3.76914, 3.67832, 3.67549, 3.60330, 3.58916],
}
"""Losses of the first steps. Where nothing is separate they are those of BERT, as test_pretrain.py has them."""
MIDDLE = NAMED["all but the last layer"]


def _run(chosen: PretrainPlan, folder: Path, **settings: object) -> tuple[Trained, list[float]]:
    events: list[Event] = []
    how = {
        "files": ModelFiles(),
        "examples": DATA.__getitem__,
        "workdir": folder / "run",
        "cache": folder,
        "report": events.append,
    }
    trained = pretrain(chosen, **(how | settings))  # type: ignore[arg-type]
    return trained, [event.loss for event in events if isinstance(event, Progressed)]


def _loaded(folder: Path, *reinit: Reinit, files: ModelFiles | None = None) -> LoadedModel:
    return load_model(files or ModelFiles(aliases={"made": folder}), ModelSpec("made", reinit=reinit))


@pytest.fixture(scope="module")
def middle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with vocabularies of each language, whose last layer alone is shared."""
    folder = tmp_path_factory.mktemp("middle")
    return _run(separable_plan(MIDDLE, "datasets/parts", max_steps=4), folder)[0].folder


@pytest.mark.parametrize("separation", ALL, ids=lambda each: "-".join(map(str, asdict(each).values())))
def test_what_is_shared_is_one_object_and_what_is_not_counts_twice(separation: Separation, tmp_path: Path) -> None:
    plan = separable_plan(separation, max_steps=1)
    trained, _ = _run(plan, tmp_path)
    encoder = _loaded(trained.folder).encoder
    assert isinstance(encoder.embeddings, SeparateEmbeddings) is separation.embeddings
    assert [isinstance(block, SeparateBlock) for block in encoder.blocks] == [
        layer <= separation.layers for layer in (1, 2)
    ]
    assert isinstance(encoder.head, SeparateHead) is separation.softmax
    assert encoder.head is not None
    heads = [encoder.head.of(code) for code in (0, 1)]
    assert (heads[0] is heads[1]) is not separation.softmax
    tied = separation.embeddings == separation.softmax
    words = encoder.embeddings.words
    for place, head in enumerate(heads):
        assert (head.output.weight is words[place if separation.embeddings else 0]) is tied
    tensors = load_file(trained.folder / "model.safetensors")
    d, f, v, longest = 32, 64, len(ENTRIES), 32
    tables = (v + longest + 2) * d + 2 * d
    block = 4 * (d * d + d) + (2 * d * f + d + f) + 4 * d
    head_size = (d * d + d) + 2 * d + v + (0 if tied else v * d)
    expected = (
        tables * (1 + separation.embeddings) + block * (2 + separation.layers) + head_size * (1 + separation.softmax)
    )
    assert sum(tensor.numel() for tensor in tensors.values()) == expected
    own = {name for name in tensors if name.startswith(("languages.", "heads."))}
    assert {name.split(".")[1] for name in own} == ({"en", "sv"} if own else set())


@pytest.mark.parametrize("separation", ALL, ids=lambda each: "-".join(map(str, asdict(each).values())))
def test_a_language_trains_what_is_shared_and_its_own(separation: Separation, tmp_path: Path) -> None:
    plan = separable_plan(separation)
    objective = gather(
        plan,
        files=ModelFiles(),
        examples=DATA.__getitem__,
        cache=tmp_path,
        report=lambda event: None,
        device="cpu",
    )
    named = {**objective.encoder_parameters, **objective.head_parameters}
    english = len(objective.train[0].starts) - 1
    for place, language, other in ((0, "en", "sv"), (english, "sv", "en")):
        [compute] = objective.work(1, (np.array([place]),), (np.array([0]),)).losses
        compute().backward()  # type: ignore[no-untyped-call]
        trained = {name for name, each in named.items() if each.grad is not None}
        assert trained == {name for name in named if f".{other}." not in f".{name}"}, language
        for each in named.values():
            each.grad = None


@pytest.mark.parametrize("name", GOLDEN)
def test_the_losses_are_those_of_before(name: str, tmp_path: Path) -> None:
    usual = separable_plan(NAMED[name], max_steps=6, dropout=0.0)
    _, losses = _run(usual, tmp_path, examples=DATASETS.__getitem__)
    assert losses == pytest.approx(GOLDEN[name], rel=2e-4), ", ".join(f"{loss:.5f}" for loss in losses)


def test_a_run_that_is_stopped_goes_on_bit_for_bit(tmp_path: Path) -> None:
    plan = separable_plan(MIDDLE, "datasets/parts", max_steps=9)
    whole, expected = _run(plan, tmp_path / "whole")
    told: list[float] = []
    trained = None
    while trained is None:
        events: list[Event] = []

        def stop(events: list[Event] = events) -> bool:
            return sum(isinstance(event, Progressed) for event in events) >= 4

        with suppress(Stopped):
            trained, _ = _run(plan, tmp_path / "parts", report=events.append, stop=stop)
        told += [event.loss for event in events if isinstance(event, Progressed)]
    assert told == expected
    for path in whole.folder.iterdir():
        assert path.read_bytes() == (trained.folder / path.name).read_bytes(), path.name
    assert trained.figures == whole.figures


def test_random_init_draws_the_parts_of_all_languages(middle: Path) -> None:
    files = ModelFiles(aliases={"made": middle})
    base, drawn = _loaded(middle, files=files), _loaded(middle, Reinit(layers=(1,), seed=3), files=files)
    first, other = base.encoder.blocks[0], drawn.encoder.blocks[0]
    assert isinstance(first, SeparateBlock)
    assert isinstance(other, SeparateBlock)
    weights = [linear.weight for linear in other.linears()]
    assert not torch.equal(weights[0], weights[4])
    for before, after in zip(first.linears(), other.linears(), strict=True):
        assert not torch.equal(before.weight, after.weight)
        assert after.weight.std() == pytest.approx(0.1, rel=0.05)
    assert drawn.encoder.blocks[1] is base.encoder.blocks[1]
    assert drawn.encoder.embeddings is base.encoder.embeddings
    embeddings = _loaded(middle, Reinit(embeddings=True, seed=3)).encoder
    assert embeddings.head is not None
    assert [embeddings.head.of(code).output.weight for code in (0, 1)] == list(embeddings.embeddings.words)


@pytest.mark.parametrize("language", ["en", "sv"])
def test_a_language_is_the_bert_of_its_tensors(language: str, middle: Path) -> None:
    tensors = load_file(middle / "model.safetensors")
    other = {"en": "sv", "sv": "en"}[language]
    plain = {
        name.removeprefix(f"languages.{language}.").removeprefix(f"heads.{language}."): tensor
        for name, tensor in tensors.items()
        if f".{other}." not in name
    }
    config = BertConfig(
        vocab_size=len(plain["cls.predictions.bias"]),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    reference = BertForMaskedLM(config).eval()
    lacking = reference.load_state_dict(
        {name if name.startswith("cls.") else f"bert.{name}": tensor for name, tensor in plain.items()}, strict=False
    )
    assert not lacking.unexpected_keys
    engine = load_engine(ModelFiles(aliases={"made": middle}), ModelSpec("made"), threads=1)
    assert engine.info.languages == ("en", "sv")
    lines = [str(each.content) for each in DATA[f"dev-{language}"][:5]]
    mixed = [text for line in lines for text in (line, str(DATA[f"dev-{other}"][0].content))]
    texts = engine.tokenize(mixed, languages=[language, other] * 5)
    hidden = engine.encode(texts, EncodePlan((0, 1, 2), Pooling.TOKEN))[::2]
    said = engine.predict(texts, PredictPlan(((),), (2,), 3))[::2]
    for text, ours, prediction in zip(texts[::2], hidden, said, strict=True):
        with torch.no_grad():
            theirs = reference(torch.from_numpy(text.ids)[None], output_hidden_states=True)
        stacked = torch.stack(theirs.hidden_states, dim=2)[0].numpy()
        assert np.abs(ours - stacked).max() < 2e-5
        best = theirs.logits[0].log_softmax(-1).max(-1)
        assert prediction.token_ids[:, 0, 0, 0].tolist() == best.indices.tolist()
        assert prediction.log_probabilities[:, 0, 0, 0] == pytest.approx(best.values.numpy(), abs=1e-4)


def test_a_text_without_its_language_is_refused_with_those_the_model_has(middle: Path) -> None:
    engine = load_engine(ModelFiles(aliases={"made": middle}), ModelSpec("made"), threads=1)
    for tag in ("", "fi"):
        with pytest.raises(InvalidArgument, match=r"must be told, one of en, sv, but got") as raised:
            engine.tokenize(["en3"], languages=[tag])
        assert raised.value.field == "texts[0].language"
    [same, known] = engine.tokenize(["en3", "en3"], languages=["eng", "en"])
    assert same.ids.tolist() == known.ids.tolist()
    engine.close()


def _joined(prefixed: bool) -> JoinedVocabulary:
    """What datagen makes of the same vocabularies."""
    tokens = {language: (*SPECIALS, *words_of(language)) for language in ("en", "sv")}
    parts = {language: Vocabulary("bpe", description(each[5:]), each) for language, each in tokens.items()}
    return join(parts, prefixed=prefixed)


@pytest.mark.parametrize("prefixed", [False, True])
def test_joined_vocabularies_are_numbered_as_by_datagen(prefixed: bool, tmp_path: Path) -> None:
    parts = {language: description(words_of(language)) for language in ("sv", "en")}
    theirs = _joined(prefixed)
    shared = 0 if prefixed else 5
    assert len(theirs.tokens) == 5 + 40 - shared
    ours = join_vocabularies(parts, "vocabulary", prefixed=prefixed)
    separation = replace(MIDDLE, prefixed=prefixed)
    trained, _ = _run(separable_plan(separation, "datasets/parts", max_steps=1), tmp_path)
    model = _loaded(trained.folder)
    assert model.info.vocabulary_size == len(theirs.tokens)
    assert model.tokenizer.pieces(range(len(theirs.tokens))) == list(theirs.tokens)
    assert list(ours.parts) == ["sv", "en"]
    for code, language in enumerate(("en", "sv")):
        [text] = model.tokenizer.of(code).tokenize([" ".join(words_of(language))], 32)
        assert text.ids[1:-1].tolist() == theirs.ids[language][5:].tolist()
        assert [text.ids[0], text.ids[-1]] == [2, 3]
    english, swedish = (set(model.tokenizer.of(code).backend.get_vocab().values()) for code in (0, 1))
    assert len(english & swedish) == len(SPECIALS) + shared


def test_streams_of_pieces_and_of_ids_are_those_of_text(tmp_path: Path) -> None:
    losses = []
    usual = separable_plan(replace(MIDDLE, prefixed=True), "datasets/parts", max_steps=2, dropout=0.0)
    number = {token: place for place, token in enumerate(_joined(prefixed=True).tokens)}
    for form in ("text", "pieces", "ids"):

        def examples(name: str, form: str = form) -> Sequence[object]:
            if name.startswith("datasets/") or form == "text":
                return DATA[name]
            language = name[-2:]
            lines = [[f"{language}:{word}" for word in str(each.content).split()] + ["[SEP]"] for each in DATA[name]]
            tokens = [token for line in lines for token in line]
            said = tokens if form == "pieces" else [str(number[token]) for token in tokens]
            return [
                replace(DATA[name][0], id=str(start), content=" ".join(said[start : start + 30]))
                for start in range(0, len(said), 30)
            ]

        chosen = replace(usual, form=form, dev=())  # type: ignore[arg-type]
        losses.append(_run(chosen, tmp_path / form, examples=examples)[1])
    assert losses[0] == losses[1] == losses[2]


def test_random_tokens_are_of_the_language_where_that_is_wanted(tmp_path: Path) -> None:
    masking = Masking(rate=0.5, masked=0.0, random=1.0, within_language=True)
    plan = replace(separable_plan(MIDDLE, "datasets/parts"), masking=masking)
    objective = gather(
        plan, files=ModelFiles(), examples=DATA.__getitem__, cache=tmp_path, report=lambda event: None, device="cpu"
    )
    english = len(objective.train[0].starts) - 1
    tokenizer = objective.encoder.tokenizer
    drawn = {}
    for language, places in (("en", range(english)), ("sv", range(english, english + 20))):
        streams = objective._masked([objective._stream(place) for place in places], np.random.default_rng(0))
        drawn[language] = {
            tokenizer.pieces([token])[0]
            for each in streams
            for token, label in zip(each.ids[each.rows].tolist(), each.labels.tolist(), strict=True)
            if token != label
        }
    assert drawn == {language: set(words_of(language)) for language in ("en", "sv")}
    with pytest.raises(InvalidArgument, match="Expected a language with a training set, en"):
        _run(replace(plan, train=plan.train[:1], architecture=None, model=ModelSpec("x"), vocabulary=""), tmp_path)


def test_fine_tuning_leaves_what_a_language_has_of_its_own(middle: Path, tmp_path: Path) -> None:
    made = SETS["pos"]
    sentences = [replace(each, content=_in_words(each.content), language="en") for each in (*made(40), *made(12, 1))]
    files = ModelFiles(aliases={"made": middle})
    plan = FineTunePlan(
        ModelSpec("made"),
        "pos",
        train=(LanguageSet("en", "train"),),
        dev=(LanguageSet("en", "dev"),),
        optimisation=Optimisation(learning_rate=1e-2, epochs=2, seed=1),
        threads=1,
    )
    sets = {"train": sentences[:40], "dev": sentences[40:]}
    tuned = fit(plan, files=files, examples=sets.__getitem__, scorer=direct_score, workdir=tmp_path)
    before, after = (load_file(folder / "model.safetensors") for folder in (middle, tuned.folder))
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed == {name for name in before if name.startswith("encoder.")}
    model = load_fine_tuned(tuned.folder)
    swedish = [replace(each, language="sv") for each in sentences[:3]]
    answers = model.predict([*sentences[:3], *swedish])
    assert [each.language for each in answers] == ["en"] * 3 + ["sv"] * 3
    assert model.predict(swedish) == answers[3:]
    with pytest.raises(InvalidArgument, match="must be told, one of en, sv, but got none"):
        model.predict([replace(sentences[0], language="")])


def _in_words(content: object) -> Sentence:
    """The sentence with words that both languages have."""
    assert isinstance(content, Sentence)
    words = tuple(replace(word, form=f"en{len(word.form) % 5}") for word in content.words)
    assert all(isinstance(word, Word) for word in words)
    return Sentence(words, " ".join(word.form for word in words))


@pytest.mark.parametrize(
    ("change", "vocabulary", "problem"),
    [
        (Separation(layers=3), "datasets/vocabulary", r"architecture.separation.layers: .*within 0..2, but got 3"),
        (
            Separation(prefixed=True),
            "datasets/vocabulary",
            "Expected a vocabulary of each language, but got one of all",
        ),
    ],
)
def test_separations_that_cannot_be_are_refused(
    change: Separation, vocabulary: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        _run(separable_plan(change, vocabulary), tmp_path)


def test_languages_without_a_vocabulary_or_a_training_set_are_refused(tmp_path: Path) -> None:
    usual = separable_plan(MIDDLE, "datasets/parts")
    finnish = (LanguageSet("en", "en"), LanguageSet("fi", "sv"))
    with pytest.raises(FailedPrecondition, match="Expected a vocabulary of fi, but got en, sv"):
        _run(replace(usual, train=finnish, dev=()), tmp_path)
    with pytest.raises(InvalidArgument, match="Expected a language with a training set, en, but got 'sv'"):
        _run(replace(usual, train=usual.train[:1]), tmp_path)
    assert usual.architecture is not None
    together = replace(usual, architecture=replace(usual.architecture, separation=None))
    with pytest.raises(FailedPrecondition, match=r"Expected one vocabulary .* got 2; a model with .*separation"):
        _run(together, tmp_path)
    with pytest.raises(InvalidArgument, match="Expected a language tag"):
        _run(replace(usual, train=(LanguageSet("", "en"),), dev=()), tmp_path)
    roberta = replace(usual, architecture=replace(usual.architecture, family="roberta"))
    with pytest.raises(InvalidArgument, match="Expected bert where `separation` is given, but got 'roberta'"):
        _run(roberta, tmp_path)
