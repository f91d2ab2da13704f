"""The datagen service over the wire: datasets, pipelines, corpora; both twins of the client; a local mesh."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import babelscope
import pytest
from babelscope import Answer, Example, Question, Step
from babelscope.cli import run
from babelscope.data.example_messages import from_proto, to_proto
from babelscope.v1 import datagen_pb2

EXAMPLES = [Example(f"s{number}", f"the cat {number} sat on the mat", "en") for number in range(1500)]


async def collect(stream: Any) -> list[Example]:
    return [example async for example in stream]


async def test_a_dataset_comes_back(serve: Callable[..., Any]) -> None:
    one = await serve()
    found = await one.client.put_dataset(EXAMPLES, title="cats")
    assert (found.title, found.examples, found.languages) == ("cats", 1500, ("en",))
    assert await collect(one.client.get_dataset(found.name)) == EXAMPLES
    assert await one.client.list_datasets() == [found]
    described = await one.client.describe_dataset(found.name, samples=2)
    assert described.kinds == {"text": 1500}
    assert described.samples == tuple(EXAMPLES[:2])


async def test_portions_do_not_matter(serve: Callable[..., Any]) -> None:
    """The same examples in messages of other sizes have the same name."""
    one = await serve()

    def messages(size: int) -> Any:
        yield datagen_pb2.PutDatasetRequest(spec=datagen_pb2.PutDatasetSpec(title=str(size)))
        for start in range(0, len(EXAMPLES), size):
            portion = [to_proto(each) for each in EXAMPLES[start : start + size]]
            yield datagen_pb2.PutDatasetRequest(examples=datagen_pb2.Examples(examples=portion))

    names = {(await one.stub.PutDataset(messages(size))).name for size in (1, 7, 1500)}
    assert len(names) == 1


async def test_pages(serve: Callable[..., Any]) -> None:
    one = await serve()
    for number in range(5):
        await one.client.put_dataset(EXAMPLES[number : number + 1], title=str(number))
    names: list[str] = []
    token = ""
    while True:
        page = await one.stub.ListDatasets(datagen_pb2.ListDatasetsRequest(page_size=2, page_token=token))
        names += [each.name for each in page.datasets]
        token = page.next_page_token
        if not token:
            break
    assert names == sorted(names)
    assert len(set(names)) == 5


async def test_a_pipeline_from_a_stream_and_from_a_dataset(serve: Callable[..., Any]) -> None:
    one = await serve()
    steps = ["permute_vocabulary", Step("subsample", {"size": "100"})]
    stream = one.client.transform(iter(EXAMPLES), steps, seed=3)
    first = await collect(stream)
    assert len(first) == 100
    assert [step.name for step in stream.steps] == ["permute_vocabulary", "subsample"]
    dataset = await one.client.put_dataset(EXAMPLES)
    assert await collect(one.client.transform(dataset.name, steps, seed=3)) == first
    kept = await one.client.transform(dataset.name, steps, seed=3, store_as="sample").finish()
    assert (kept.dataset.title, kept.dataset.examples) == ("sample", 100)
    assert await collect(one.client.get_dataset(kept.dataset.name)) == first


async def test_the_same_seed_gives_the_same_corpus_to_all(serve: Callable[..., Any]) -> None:
    """Whatever the order of arrival, the sizes of messages, and how many requests are at work at once."""
    one = await serve()
    pairs = [Example(word, babelscope.TextPair(word, word.upper()), "xx") for word in ("cat", "sat", "on", "mat")]
    words = await one.client.put_dataset(pairs)
    switch = {"dictionary": words.name, "languages": "xx", "rule": "conneau", "cap": "0.6"}
    steps = [Step("code_switch", switch), Step("permute_vocabulary", {}), Step("subsample", {"size": "300"})]

    async def by_id(examples: list[Example], size: int) -> dict[str, Example]:
        async def messages() -> Any:
            spec = datagen_pb2.TransformSpec(steps=[step.to_proto() for step in steps], seed=9)
            yield datagen_pb2.TransformRequest(spec=spec)
            for start in range(0, len(examples), size):
                portion = [to_proto(each) for each in examples[start : start + size]]
                yield datagen_pb2.TransformRequest(examples=datagen_pb2.Examples(examples=portion))

        found = [each async for answer in one.stub.Transform(messages()) for each in answer.examples.examples]
        return {each.id: from_proto(each) for each in found}

    shuffled = random.Random(1).sample(EXAMPLES, len(EXAMPLES))
    orders = (EXAMPLES, EXAMPLES[::-1], shuffled)
    first, *others = await asyncio.gather(*(by_id(order, size) for order in orders for size in (7, 400)))
    assert len(first) == 300
    assert len({example.content for example in first.values()}) == 300
    assert all(other == first for other in others)


async def test_a_corpus_of_the_grammar(serve: Callable[..., Any]) -> None:
    one = await serve()
    made = await collect(one.client.generate_corpus(["en", "zh"], 20, kind="qa", seed=5))
    assert len(made) == 40
    assert {example.language for example in made} == {"en", "zh"}
    for example in made:
        for answer in example.content.answers:
            assert example.content.context[answer.start :][: len(answer.text)] == answer.text
    stored = await one.client.generate_corpus(["en"], 10, store_as="ten").finish()
    assert stored.dataset.examples == 10


async def test_a_dictionary_may_be_a_file_or_a_dataset(serve: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "en-fr.tsv").write_text("cat\tchat\n", encoding="utf-8")
    one = await serve(dictionary_roots=(tmp_path,))
    pairs = await one.client.put_dataset([Example("1", babelscope.TextPair("cat", "chat"), "fr")])
    for reference in (str(tmp_path), "en-fr.tsv", pairs.name):
        step = Step("code_switch", {"dictionary": reference, "languages": "fr"})
        [example] = await collect(one.client.transform(EXAMPLES[:1], [step]))
        assert example.content == "the chat 0 sat on the mat"


async def test_transforms_are_described(serve: Callable[..., Any]) -> None:
    one = await serve()
    found = {each.name: each for each in await one.client.list_transforms()}
    assert {"code_switch", "permute_vocabulary", "recover_answers"} <= found.keys()
    required = [option.name for option in found["code_switch"].options if option.required]
    assert required == ["dictionary", "languages"]


@pytest.mark.parametrize("file", ["words", "words/en-fr.tsv", "words/{source}-{target}.tsv"])
def test_servers_of_a_command_read_the_dictionary_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words").mkdir()
    Path("words/en-fr.tsv").write_text("cat\tchat\n", encoding="utf-8")
    Path("in.txt").write_text("the cat\n", encoding="utf-8")
    step = f"code_switch:dictionary={file},languages=fr"
    assert run(["generate", "--input", "in.txt", "--language", "en", "--transform", step, "--output", "out.txt"]) == 0
    assert Path("out.txt").read_text(encoding="utf-8").split("\t")[-1] == "the chat\n"


def test_a_local_mesh_and_the_command_line(tmp_path: Path, capsys: Any) -> None:
    with babelscope.local(("datagen",), store=tmp_path / "store") as mesh:
        address = mesh.address
        assert [each.serving for each in mesh.status()] == [True]
        question = Example("q", Question("un chat", "?", (Answer("chat", 3),)), "fr")
        name = mesh.datagen.put_dataset([question], title="one").name
        assert list(mesh.datagen.get_dataset(name)) == [question]
        source, out = tmp_path / "in.txt", tmp_path / "out.txt"
        source.write_text("the cat\nthe dog\n", encoding="utf-8")
        pipeline = tmp_path / "steps.yaml"
        pipeline.write_text("- name: permute_vocabulary\n- split:dev=0,test=0,keep=all\n", encoding="utf-8")
        to = ["--mesh", address]
        words = ["--input", str(source), "--language", "en", "--pipeline", str(pipeline), "--preview", "1"]
        assert run(["generate", *words, "--output", str(out), *to]) == 0
        assert len(out.read_text(encoding="utf-8").splitlines()) == 2
        assert "the cat" in capsys.readouterr().out
        stored = mesh.datagen.put_dataset([Example("s", "the old cat", "en")]).name
        assert run(["generate", "--input", stored, "--transform", "prefix_language", "--preview", "1", *to]) == 0
        shown = capsys.readouterr().out
        assert "the old cat" in shown
        assert "en:old" in shown
        assert (
            run(["generate", "--grammar", "en,zh", "--size", "2", "--output", f"{tmp_path}/g.{{language}}", *to]) == 0
        )
        assert (tmp_path / "g.zh").read_text(encoding="utf-8").count("# sent_id") == 2
        assert run(["datasets", "list", *to]) == 0
        assert name in capsys.readouterr().out
        assert run(["datasets", "show", name, *to]) == 0
        assert "un chat" in capsys.readouterr().out
        assert run(["datasets", "put", str(source), *to]) == 0
        rows = tmp_path / "rows.tsv"
        rows.write_text("key\tbody\n7\tun chien\n", encoding="utf-8")
        columns = ["--column", "body", "--id-column", "key", "--language", "fr"]
        capsys.readouterr()
        assert run(["datasets", "put", str(rows), *columns, *to]) == 0
        assert list(mesh.datagen.get_dataset(capsys.readouterr().out.strip())) == [Example("7", "un chien", "fr")]
        assert run(["datasets", "export", name, "--output", str(tmp_path / "q.json"), *to]) == 0
        assert '"answer_start": 3' in (tmp_path / "q.json").read_text(encoding="utf-8")
        assert run(["datasets", "delete", name, *to]) == 0
        assert name not in [each.name for each in mesh.datagen.list_datasets()]
        assert run(["datasets", "delete", name, *to]) == 1
        assert "dataset" in capsys.readouterr().err
