"""What a hostile client sends, and how it behaves while it does: 64 of them at once, in a process of their own."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import grpc
import numpy as np
from babelscope.data.example_messages import to_proto
from babelscope.data.examples import Example
from babelscope.data.tensors import to_proto as to_tensor
from babelscope.v1 import datagen_pb2, encoder_pb2, metrics_pb2, model_pb2, text_pb2, trainer_pb2
from google.protobuf.message_factory import GetMessageClass

from tests.support.hostile import METHODS, STUBS
from tests.support.inflation import inflated
from tests.support.mutation import Request
from tests.support.refusals import CHANNEL

CLIENTS: Final = 64
ASKED_SECONDS: Final = 10.0
"""Time after which a client leaves."""
BODY: Final = 15 << 20
OTHERS: Final = "a-token-of-the-others"
"""Token of those who ask the hub, where a server asks for one."""
NAMES: Final = ("/dev/zero", "../../etc/passwd", "a\0b", "x" * 5000, "é" * 300, "a/b", " ", "x" * 200_000)

Manner = Literal["asks", "falls silent", "does not read"]


@dataclass(frozen=True)
class Attack:
    """What clients send.

    Attributes:
        service: Service that is attacked.
        requests: Requests, taken in turn by the clients.
        manner: Whether a client sends all and reads all, or keeps its stream open in silence after the first messages,
            or sends all and reads nothing.
        token: Bearer token, where there is one.
    """

    service: str
    requests: Sequence[Request]
    manner: Manner = "asks"
    token: str = ""


def launch(address: str, valid: Mapping[str, Sequence[Request]], name: str, seconds: float) -> dict[str, int]:
    """Attacks a server for a time; returns how often each status was seen.

    Args:
        address: Address of the server.
        valid: Valid requests of each service.
        name: Name of the attack.
        seconds: Length of the attack.
    """
    attack = attacks(valid)[name]()
    end = time.monotonic() + seconds
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def client(number: int) -> None:
        turn = random.Random(number)
        with grpc.insecure_channel(address, options=[*CHANNEL, ("grpc.use_local_subchannel_pool", 1)]) as channel:
            while time.monotonic() < end:
                code = _one(STUBS[attack.service](channel), turn.choice(attack.requests), attack, end)
                with lock:
                    seen[code] += 1
                if code == "RESOURCE_EXHAUSTED":
                    time.sleep(turn.uniform(0.0, 0.1))  # a place may be free by then

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    return dict(seen)


def _one(stub: Any, request: Request, attack: Attack, end: float) -> str:
    name, messages = request
    method = METHODS[name]
    metadata = (("authorization", f"Bearer {attack.token}"),) if attack.token else ()
    left = max(0.1, min(ASKED_SECONDS, end - time.monotonic()))
    over = threading.Event()

    def sent() -> Iterator[Any]:
        yield from messages
        if attack.manner == "falls silent":
            over.wait(left)

    try:
        argument = sent() if method.client_streaming else messages[0]
        call = getattr(stub, name)(argument, timeout=left, metadata=metadata)
        if not method.server_streaming:
            return "OK"
        if attack.manner == "does not read":
            over.wait(left - 0.05)
            call.cancel()
            return "LEFT"
        for _ in call:
            pass
    except grpc.RpcError as error:
        return str(error.code().name)
    finally:
        over.set()
    return "OK"


def attacks(valid: Mapping[str, Sequence[Request]]) -> dict[str, Callable[[], Attack]]:
    """All attacks on servers that ask for no token, by name; the process that attacks makes them.

    Args:
        valid: Valid requests of each service.
    """
    made: dict[str, Callable[[], Attack]] = {}
    for service, name in NAMED:
        made[f"{service}: {name}"] = lambda service=service, name=name: Attack(service, NAMED[service, name](valid))
    for service, requests in valid.items():
        streams = [(name, messages) for name, messages in requests if METHODS[name].client_streaming]
        opened = [(name, messages[:count]) for name, messages in streams for count in (0, 1)]
        made[f"{service}: silent streams"] = partial(Attack, service, opened, "falls silent")
        made[f"{service}: large messages, then silence"] = partial(_with_large, service, streams, "falls silent")
        made[f"{service}: large fields"] = partial(_with_large, service, requests, "asks")
    made["encoder: answers are not read"] = lambda: Attack("encoder", [_tokens()], "does not read")
    corpus = datagen_pb2.GenerateCorpusRequest(languages=["en"], size=1_000_000, seed=1)
    made["datagen: answers are not read"] = partial(Attack, "datagen", [("GenerateCorpus", [corpus])], "does not read")
    for method in ("Predict", "GetJobFile"):
        made[f"trainer: answers of {method} are not read"] = partial(_unread, valid, method)
    for service, method in (
        ("encoder", "Tokenize"),
        ("metrics", "Correlate"),
        ("datagen", "GetDataset"),
        ("trainer", "CreateJob"),
    ):
        for token in ("", "wrong"):
            made[f"{service}: bodies, token {token!r}"] = partial(_bodies, service, method, token)
    remote = [model_pb2.ModelRef(name=f"org/m{number}") for number in range(500)]
    asked = [("GetModel", [_get(each)]) for each in remote]
    made["encoder: hub"] = partial(Attack, "encoder", asked, token=OTHERS)
    entered = [_entered(fine_tune=_tuning(each)) for each in remote]
    made["trainer: hub"] = partial(Attack, "trainer", entered, token=OTHERS)
    return made


def _names(valid: Mapping[str, Sequence[Request]]) -> list[Request]:
    refs = [model_pb2.ModelRef(name="a/b", revision=name) for name in NAMES]
    refs += [model_pb2.ModelRef(name=name) for name in NAMES]
    listed = [encoder_pb2.ListModelsRequest(page_token=name) for name in NAMES]
    return [*(("GetModel", [_get(each)]) for each in refs), *(("ListModels", [each]) for each in listed)]


def _draws(valid: Mapping[str, Sequence[Request]]) -> list[Request]:
    return [("GetModel", [_get(_drawn(count))]) for count in (64, 3000, 100_000)]


def _merges(valid: Mapping[str, Sequence[Request]]) -> list[Request]:
    state = next(messages[0].states[0] for name, messages in valid["metrics"] if name == "Merge")
    lists = ([state] * 10_000, [f"{state}{number}" for number in range(10_000)])
    return [("Merge", [metrics_pb2.MergeRequest(states=names)]) for names in lists]


def _scores(valid: Mapping[str, Sequence[Request]]) -> list[Request]:
    names = ["b" * count for count in (1000, 100_000, 3_000_000)]
    specs = [metrics_pb2.ScoreTextSpec(score=name) for name in names]
    specs += [metrics_pb2.ScoreTextSpec(score="bleu1", options={name: "1"}) for name in names]
    return [("ScoreText", [metrics_pb2.ScoreTextRequest(spec=spec)]) for spec in specs]


def _steps(valid: Mapping[str, Sequence[Request]]) -> list[Request]:
    return [
        *(_transform("normalise" * (count // 9), {}, ()) for count in (1000, 100_000, 3_000_000)),
        _transform("normalise", {"unicode" * 100_000: "x"}, ()),
        *(("GetDataset", [datagen_pb2.GetDatasetRequest(name=name)]) for name in NAMES),
    ]


def _letters(valid: Mapping[str, Sequence[Request]]) -> list[Request]:
    return [
        _transform("normalise", {}, [word * (size // len(word))])
        for word in ("a ", "a", "'", " ", "a.", "1,", "é ")
        for size in (4096, 65_536, 1_000_000)
    ]


def _job_names(valid: Mapping[str, Sequence[Request]]) -> list[Request]:
    named: list[Request] = []
    for name in NAMES:
        static = trainer_pb2.PretrainStaticSpec(kind=trainer_pb2.STATIC_KIND_GLOVE, vocabulary=name, train=_sets(1))
        scored = trainer_pb2.EvaluateSpec(checkpoint=f"checkpoints/{name}", eval=_sets(1))
        named += [
            ("GetJob", [trainer_pb2.GetJobRequest(name=f"jobs/{name}")]),
            ("GetCheckpoint", [trainer_pb2.GetCheckpointRequest(name=f"checkpoints/{name}")]),
            ("ListJobs", [trainer_pb2.ListJobsRequest(page_token=name, labels={"a": name})]),
            ("ListCheckpoints", [trainer_pb2.ListCheckpointsRequest(page_token=name)]),
            _entered(fine_tune=_tuning(model_pb2.ModelRef(name=name))),
            _entered(fine_tune=_tuning(model_pb2.ModelRef(name="tiny"), task=name)),
            _entered(pretrain_static=static),
            _entered(evaluate=scored),
        ]
    return named


def _job_lists(valid: Mapping[str, Sequence[Request]]) -> list[Request]:
    """Grids, factors, keys and lists of which each is short as bytes."""
    tiny = model_pb2.ModelRef(name="tiny")
    checkpoint = next(messages[0].name for name, messages in valid["trainer"] if name == "GetCheckpoint")
    base = _tuning(tiny, train=_sets(1), eval=_sets(1000))
    shift = model_pb2.Shift(vector=model_pb2.ArrayRef(inline=to_tensor(np.ones(32, np.float32))), alpha=0.5)
    alphas = [number / 7 for number in range(400_000)]
    factors = trainer_pb2.EvaluateSpec(
        checkpoint=checkpoint,
        eval=_sets(1),
        dev=_sets(1),
        interventions=[model_pb2.Intervention(layer=1, shift=shift)],
        alphas=alphas,
    )
    deep = "".join(f", &a{number} [*a{number - 1}, *a{number - 1}]" for number in range(1, 60))
    texts = (f"name: [&a0 [x, x]{deep}]\n", "".join(f"k{number}: 1\n" for number in range(300_000)), "[" * 1_000_000)
    return [
        _entered(sweep=trainer_pb2.SweepSpec(base=base, seeds=range(10_000))),
        _entered(sweep=trainer_pb2.SweepSpec(base=_tuning(tiny, train=_sets(1)), seeds=range(1_000_000))),
        _entered(sweep=trainer_pb2.SweepSpec(base=_tuning(tiny, train=_sets(1)), learning_rates=alphas[1:])),
        _entered(evaluate=factors),
        _entered(fine_tune=_tuning(tiny, frozen=trainer_pb2.Frozen(patterns=["*a*a*b"] * 400_000))),
        *(_entered(study=trainer_pb2.StudySpec(yaml=text)) for text in texts),
    ]


def _job_pages(valid: Mapping[str, Sequence[Request]]) -> list[Request]:
    """Jobs of long specifications, and pages of all of them."""
    sets = [trainer_pb2.LanguageDataset(language="en", dataset=f"datasets/{0:0200}{place}") for place in range(1000)]
    long = _entered(fine_tune=_tuning(model_pb2.ModelRef(name="tiny"), train=sets, dev=sets, eval=sets))
    listed = ("ListJobs", [trainer_pb2.ListJobsRequest(page_size=1000)])
    return [long, *[listed] * 3]


def _watches(valid: Mapping[str, Sequence[Request]]) -> list[Request]:
    """Streams of events, of jobs that have ended and of none that ever will."""
    return [request for request in valid["trainer"] if request[0] in ("WatchJob", "GetJobFile", "GetJob")]


NAMED: Final[dict[tuple[str, str], Callable[[Mapping[str, Sequence[Request]]], list[Request]]]] = {
    ("encoder", "names and revisions"): _names,
    ("encoder", "draws of many layers"): _draws,
    ("metrics", "10,000 names to merge"): _merges,
    ("metrics", "long names"): _scores,
    ("datagen", "long names"): _steps,
    ("datagen", "normalise on repeated letters"): _letters,
    ("trainer", "names"): _job_names,
    ("trainer", "long lists"): _job_lists,
    ("trainer", "pages of long jobs"): _job_pages,
    ("trainer", "watched jobs"): _watches,
}


def _entered(**spec: Any) -> Request:
    return "CreateJob", [trainer_pb2.CreateJobRequest(job=trainer_pb2.Job(**spec))]


def _tuning(model: model_pb2.ModelRef, **given: Any) -> trainer_pb2.FineTuneSpec:
    return trainer_pb2.FineTuneSpec(**{"model": model, "task": "pos", "train": _sets(1), **given})


def _sets(count: int) -> list[trainer_pb2.LanguageDataset]:
    named = [f"datasets/{number:064x}" for number in range(count)]
    return [trainer_pb2.LanguageDataset(language="en", dataset=name) for name in named]


def _unread(valid: Mapping[str, Sequence[Request]], method: str) -> Attack:
    """Long answers of a method."""
    name, messages = next(request for request in valid["trainer"] if request[0] == method)
    sent = [*messages, *messages[1:] * 1000] if method == "Predict" else messages
    return Attack("trainer", [(name, sent)], "does not read")


def _get(model: model_pb2.ModelRef) -> encoder_pb2.GetModelRequest:
    return encoder_pb2.GetModelRequest(model=model)


def _bodies(service: str, method: str, token: str) -> Attack:
    """Bodies of 15 MB: a field that no message has."""
    kind = GetMessageClass(METHODS[method].input_type)
    message = kind.FromString(b"\x7a" + _varint(BODY) + bytes(BODY))
    return Attack(service, [(method, [message])], token=token)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _with_large(service: str, requests: Sequence[Request], manner: Manner) -> Attack:
    """Each request with one field filled up; of many fields some, so that a process can hold them."""
    every = [request for _, request in inflated(requests)]
    return Attack(service, random.Random(0).sample(every, min(len(every), 16)), manner)


def _drawn(count: int) -> model_pb2.ModelRef:
    steps = [model_pb2.ReinitLayers(layers=[1], seed=number) for number in range(count)]
    return model_pb2.ModelRef(name="tiny", reinit=steps)


def _tokens() -> Request:
    spec = encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name="tiny"), pooling=model_pb2.POOLING_TOKEN)
    texts = [text_pb2.Text(id=str(number), text="the cat " * 30) for number in range(1000)]
    sent = encoder_pb2.EncodeRequest(texts=encoder_pb2.EncodeTexts(texts=texts))
    return "Encode", [encoder_pb2.EncodeRequest(spec=spec), *[sent] * 4]


def _transform(name: str, options: dict[str, str], texts: Sequence[str]) -> Request:
    ask = datagen_pb2.TransformRequest
    spec = datagen_pb2.TransformSpec(steps=[datagen_pb2.TransformStep(name=name, options=options)], seed=1)
    examples = [to_proto(Example(str(number), text, "en")) for number, text in enumerate(texts)]
    parts = [ask(examples=datagen_pb2.Examples(examples=examples))] if examples else []
    return "Transform", [ask(spec=spec), *parts]
