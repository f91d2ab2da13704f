"""Small valid requests of every method of a service: what mutated ones start from."""

import gzip
from collections.abc import Iterable

import numpy as np
from babelscope.data.example_messages import to_proto as example
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word
from babelscope.data.tensors import to_proto
from babelscope.v1 import datagen_pb2, encoder_pb2, metrics_pb2, model_pb2, text_pb2, trainer_pb2

from tests.support.mutation import Request

TREE = Sentence(
    (Word("the", "DET", 2, "det", "O"), Word("cat", "NOUN", 3, "nsubj", "B-PER"), Word("sees", "VERB", 0, "root", "O")),
    "the cat sees",
)
EXAMPLES = [
    Example("t", "the old cat sees a red bird", "en", attributes={"domain": "x"}),
    Example("t", "le vieux chat voit un oiseau", "fr"),
    Example("s", TREE, "en"),
    Example("p", TextPair("the cat sees", "a dog eats", "neutral"), "en"),
    Example("q", Question("the cat sees « a bird » now", "what ?", (Answer("a bird", 15),)), "en"),
    Example("q", Question("le chat voit un oiseau", "quoi ?", (Answer("un oiseau", 13),)), "fr"),
]
TRANSFORMS: dict[str, dict[str, str]] = {
    "normalise": {},
    "segment": {},
    "permute_vocabulary": {},
    "reorder": {"order": "SOV"},
    "prefix_language": {},
    "slice_window": {"tokens": "3"},
    "subsample": {"size": "2"},
    "split": {},
    "deduplicate": {},
    "sample_languages": {},
    "recover_answers": {},
    "swap_language_of": {"part": "question", "language": "fr"},
    "learn_vocabulary": {"size": "40"},
}
STUDY = """
name: s
title: Two languages
corpus: {pattern: "{language}.txt"}
languages: [en, fr]
models: [tiny]
"""
TAKEN = {
    "reorder": [2],
    "slice_window": [0, 1],
    "learn_vocabulary": [0, 1],
    "recover_answers": [4],
    "swap_language_of": [4, 5],
}
"""Of the examples, those that a transform takes where it does not take all."""


def datagen(dataset: str = "datasets/" + "0" * 64) -> list[Request]:
    """Requests of the datagen service; a dataset of that name is there."""
    examples = datagen_pb2.Examples(examples=map(example, EXAMPLES))
    put = datagen_pb2.PutDatasetRequest
    requests: list[Request] = [
        ("PutDataset", [put(spec=datagen_pb2.PutDatasetSpec(title="a title")), put(examples=examples)]),
        ("GetDataset", [datagen_pb2.GetDatasetRequest(name=dataset)]),
        ("ListDatasets", [datagen_pb2.ListDatasetsRequest(page_size=2)]),
        ("DescribeDataset", [datagen_pb2.DescribeDatasetRequest(name=dataset, samples=2)]),
        ("ListTransforms", [datagen_pb2.ListTransformsRequest(page_size=2)]),
        ("GenerateCorpus", [datagen_pb2.GenerateCorpusRequest(languages=["en", "tr"], size=3, seed=1)]),
    ]
    for step, options in TRANSFORMS.items():
        spec = datagen_pb2.TransformSpec(steps=[datagen_pb2.TransformStep(name=step, options=options)], seed=1)
        taken = [EXAMPLES[place] for place in TAKEN.get(step, range(len(EXAMPLES)))]
        ask = datagen_pb2.TransformRequest
        sent = ask(examples=datagen_pb2.Examples(examples=map(example, taken)))
        requests.append(("Transform", [ask(spec=spec), sent]))
    return requests


def encoder() -> list[Request]:
    """Requests of the encoder service, for its models `tiny` and `other`, of which the latter has a head."""
    tiny = model_pb2.ModelRef(name="tiny")
    texts = [text_pb2.Text(id=str(n), text=text) for n, text in enumerate(("the cat sees", "a dog", "old red bird"))]
    edits = [
        model_pb2.Intervention(
            layer=1, shift=model_pb2.Shift(vector=_inline(np.ones(32)), alpha=0.5, positions=model_pb2.POSITIONS_ALL)
        ),
        model_pb2.Intervention(layer=2, linear_map=model_pb2.LinearMap(matrix=_inline(np.eye(32)))),
    ]
    drawn = model_pb2.ModelRef(name="tiny", reinit=[model_pb2.ReinitLayers(layers=[1, 2], seed=3)])
    ask = encoder_pb2.EncodeRequest
    sent = ask(texts=encoder_pb2.EncodeTexts(texts=texts))
    specs = [
        encoder_pb2.EncodeSpec(model=tiny, layers=[0, 2], pooling=model_pb2.POOLING_MEAN, max_tokens=8),
        encoder_pb2.EncodeSpec(model=tiny, pooling=model_pb2.POOLING_TOKEN, interventions=edits),
        encoder_pb2.EncodeSpec(model=drawn, layers=[2], overflow=text_pb2.OVERFLOW_TRUNCATE, max_tokens=4),
    ]
    mean, word = encoder_pb2.MeanActivationsRequest, encoder_pb2.EncodeWordsRequest
    split = [text_pb2.Text(id="w", words=["the", "old", "cat"]), *texts[:2]]
    found = encoder_pb2.EncodeWordsSpec(encode=specs[0], ignore_case=True, min_count=1, language="en")
    found.encode.pooling = model_pb2.POOLING_WORD_MEAN
    first = encoder_pb2.EncodeWordsSpec(
        encode=encoder_pb2.EncodeSpec(model=drawn, pooling=model_pb2.POOLING_WORD_FIRST, interventions=edits)
    )
    wanted = encoder_pb2.WantedWords(words=["The", "dog"])
    predict = encoder_pb2.PredictTokensRequest
    swept = encoder_pb2.PredictTokensSpec(
        encode=encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name="other"), layers=[1, 2], interventions=edits[:1]),
        top_k=3,
        settings=[encoder_pb2.InterventionSetting(), encoder_pb2.InterventionSetting(interventions=edits)],
    )
    return [
        ("ListModels", [encoder_pb2.ListModelsRequest(page_size=1)]),
        ("GetModel", [encoder_pb2.GetModelRequest(model=tiny)]),
        ("LoadModel", [encoder_pb2.LoadModelRequest(model=tiny, pin=True)]),
        ("UnloadModel", [encoder_pb2.UnloadModelRequest(model=tiny)]),
        ("Tokenize", [encoder_pb2.TokenizeRequest(model=tiny, texts=texts)]),
        *(("Encode", [ask(spec=spec), sent]) for spec in specs),
        ("MeanActivations", [mean(spec=specs[0]), mean(texts=sent.texts)]),
        ("EncodeWords", [word(spec=found), word(words=wanted), word(texts=sent.texts)]),
        ("EncodeWords", [word(spec=first), word(texts=encoder_pb2.EncodeTexts(texts=split))]),
        ("PredictTokens", [predict(spec=swept), predict(texts=sent.texts)]),
    ]


def metrics(state: str = "moments/" + "0" * 64 + ".json") -> list[Request]:
    """Requests of the metrics service; a state of that name is there."""
    rng = np.random.default_rng(0)
    views = [metrics_pb2.View(name=name, layers=[0, 1]) for name in "ab"]
    ids = [f"i{n}" for n in range(12)]
    rows = [
        metrics_pb2.ViewActivations(
            view=name, ids=ids, tensor=to_proto(rng.standard_normal((12, 2, 4)).astype(np.float32))
        )
        for name in "ab"
    ]
    measures = [metrics_pb2.Measure(name=name) for name in ("cka", "svcca", "pwcca", "rbf", "procrustes", "cosine")]
    x, y = rng.standard_normal(8).tolist(), rng.standard_normal(8).tolist()
    words = [example(one) for one in EXAMPLES]
    kinds = {"bleu1": words[0], "qa": words[4], "nli": words[3]} | dict.fromkeys(
        ("span_f1", "parsing", "tagging"), words[2]
    )
    gold = metrics_pb2.GoldPairs(pairs=[metrics_pb2.IdPair(source_id=one, target_id=one) for one in ids])
    groups = [metrics_pb2.Group(name=name, values=values) for name, values in (("x", x), ("y", y))]
    treated = metrics_pb2.Preprocessing(standardise=True, drop_top_variance=1)
    compare, retrieve = metrics_pb2.CompareRequest, metrics_pb2.RetrieveRequest
    fit, project, score = metrics_pb2.FitMapRequest, metrics_pb2.ProjectRequest, metrics_pb2.ScoreTextRequest
    compared = [compare(activations=one) for one in rows]
    plain = metrics_pb2.CompareSpec(views=views, measures=measures)
    kept = metrics_pb2.CompareSpec(views=views, measures=measures[:3], keep_state=True, preprocessing=treated)
    retrieved = [*(retrieve(activations=one) for one in rows), retrieve(gold=gold)]
    found = metrics_pb2.RetrieveSpec(views=views, ranks=[1, 2], csls_k=2, gold=True)
    placed = metrics_pb2.ProjectSpec(views=views, components=2)
    requests: list[Request] = [
        ("Correlate", [metrics_pb2.CorrelateRequest(x=x, y=y, permutations=100)]),
        ("Anova", [metrics_pb2.AnovaRequest(groups=groups)]),
        ("CompareSystems", [metrics_pb2.CompareSystemsRequest(first=x, second=y, resamples=100)]),
        ("Merge", [metrics_pb2.MergeRequest(states=[state], measures=measures[:1])]),
        ("Compare", [compare(spec=plain), *compared]),
        ("Compare", [compare(spec=kept), *compared]),
        ("Retrieve", [retrieve(spec=found), *retrieved]),
        ("Project", [project(spec=placed), *(project(activations=one) for one in rows)]),
        *_scores(kinds.items(), score),
    ]
    for method in ("procrustes", "vecmap"):
        spec = metrics_pb2.FitMapSpec(source=views[0], target=views[1], method=method)
        requests.append(("FitMap", [fit(spec=spec), *(fit(activations=one) for one in rows)]))
    return requests


def trained(job: str, checkpoint: str, dataset: str) -> list[Request]:
    """Requests of the trainer service that need what a job has left.

    Args:
        job: Name of a job that has written a file `rows.csv`.
        checkpoint: Name of a model that was fine-tuned for `pos`.
        dataset: Name of a dataset that is there.
    """
    sets = [trainer_pb2.LanguageDataset(language="en", dataset=dataset)]
    shift = model_pb2.Intervention(layer=1, shift=model_pb2.Shift(vector=_inline(np.ones(32)), alpha=0.5))
    scored = trainer_pb2.EvaluateSpec(
        checkpoint=checkpoint, eval=sets, dev=sets, max_tokens=16, interventions=[shift], alphas=[0.5, 1.0]
    )
    ask = trainer_pb2.PredictRequest
    used = trainer_pb2.PredictSpec(
        checkpoint=checkpoint,
        interventions=[shift],
        max_tokens=16,
        language_interventions=[trainer_pb2.LanguageInterventions(language="fr", interventions=[shift])],
    )
    return [
        ("CreateJob", [trainer_pb2.CreateJobRequest(job=trainer_pb2.Job(evaluate=scored))]),
        ("GetJobFile", [trainer_pb2.GetJobFileRequest(name=job, path="rows.csv")]),
        ("GetCheckpoint", [trainer_pb2.GetCheckpointRequest(name=checkpoint)]),
        ("Predict", [ask(spec=used), *[ask(example=example(EXAMPLES[2]))] * 3]),
    ]


def trainer(dataset: str, ended: str, watched: str, removed: str) -> list[Request]:
    """Requests of the trainer service, but for those that need what a job has left.

    Args:
        dataset: Name of a dataset that is there.
        ended: Name of a job that was cancelled.
        watched: Name of another.
        removed: Name of a third one.
    """
    tiny = model_pb2.ModelRef(name="tiny", reinit=[model_pb2.ReinitLayers(layers=[2], seed=3)])
    sets = [trainer_pb2.LanguageDataset(language="en", dataset=dataset)]
    how = trainer_pb2.Optimisation(learning_rate=1e-3, epochs=1.0, warmup=0.1, step_tokens=64, seed=1, workers=1)
    shift = model_pb2.Intervention(layer=1, shift=model_pb2.Shift(vector=_inline(np.ones(32)), alpha=0.5))
    tuned = trainer_pb2.FineTuneSpec(
        model=tiny, task="pos", train=sets, dev=sets, eval=sets, frozen=trainer_pb2.Frozen(embeddings=True, layers=1),
        optimisation=how, max_tokens=16, interventions=[shift],
        language_interventions=[trainer_pb2.LanguageInterventions(language="fr", interventions=[shift])],
        adversarial_alignment=trainer_pb2.AdversarialAlignment(layer=1, unlabelled=sets, weight=0.5),
    )  # fmt: skip
    jobs = [
        trainer_pb2.Job(fine_tune=tuned, priority=1, labels={"study": "a"}),
        trainer_pb2.Job(
            sweep=trainer_pb2.SweepSpec(
                base=trainer_pb2.FineTuneSpec(model=model_pb2.ModelRef(name="tiny"), task="pos", train=sets, dev=sets),
                reinit=[trainer_pb2.ReinitChoice(label="2", reinit=tiny.reinit)],
                seeds=[1, 2],
                learning_rates=[1e-3],
            )
        ),
        trainer_pb2.Job(
            pretrain_mlm=trainer_pb2.PretrainMlmSpec(
                model=model_pb2.ModelRef(name="other"), train=sets, dev=sets, mask_rate=0.2, source="en",
                optimisation=how, max_tokens=16,
            )
        ),
        trainer_pb2.Job(
            pretrain_mlm=trainer_pb2.PretrainMlmSpec(
                architecture=trainer_pb2.MlmArchitecture(
                    layers=2, hidden_size=32, heads=2, max_tokens=16,
                    separation=trainer_pb2.Separation(embeddings=True, layers=1),
                ),
                vocabulary="tiny", train=sets,
            )
        ),
        trainer_pb2.Job(
            pretrain_static=trainer_pb2.PretrainStaticSpec(
                kind=trainer_pb2.STATIC_KIND_GLOVE, vocabulary="tiny", train=sets, dimension=8, window=2, epochs=1
            )
        ),
        trainer_pb2.Job(study=trainer_pb2.StudySpec(yaml=STUDY, files=[_file("en.txt"), _file("fr.txt")])),
    ]  # fmt: skip
    return [
        *(("CreateJob", [trainer_pb2.CreateJobRequest(job=job)]) for job in jobs),
        ("GetJob", [trainer_pb2.GetJobRequest(name=ended)]),
        ("ListJobs", [trainer_pb2.ListJobsRequest(page_size=1, states=[trainer_pb2.JOB_STATE_CANCELLED])]),
        ("RetryJob", [trainer_pb2.RetryJobRequest(name=ended)]),
        ("CancelJob", [trainer_pb2.CancelJobRequest(name=ended)]),
        ("WatchJob", [trainer_pb2.WatchJobRequest(name=watched, from_event=1)]),
        ("ListCheckpoints", [trainer_pb2.ListCheckpointsRequest(page_size=1, job=ended)]),
        ("DeleteJob", [trainer_pb2.DeleteJobRequest(name=removed)]),
        ("ListTasks", [trainer_pb2.ListTasksRequest(page_size=2)]),
    ]


def _scores(kinds: Iterable[tuple[str, text_pb2.Example]], score: type[metrics_pb2.ScoreTextRequest]) -> list[Request]:
    requests: list[Request] = []
    for name, one in kinds:
        options = {"resamples": "20"}
        spec = metrics_pb2.ScoreTextSpec(score=name, language="en", item_scores=True, options=options)
        items = metrics_pb2.ScoredItems(items=[metrics_pb2.ScoredItem(prediction=one, gold=one)])
        requests.append(("ScoreText", [score(spec=spec), score(items=items)]))
    return requests


def _inline(array: np.ndarray) -> model_pb2.ArrayRef:
    return model_pb2.ArrayRef(inline=to_proto(array.astype(np.float32)))


def _file(path: str) -> trainer_pb2.StudyFile:
    return trainer_pb2.StudyFile(path=path, gzip=gzip.compress(b"the cat sees\n" * 12))
