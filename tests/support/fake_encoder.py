"""An encoder behind a real gRPC server that computes nothing: a transport to test the client's side of the contract."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc
import numpy as np
from babelscope.data.tensors import to_wire
from babelscope.v1 import encoder_pb2 as pb
from babelscope.v1 import encoder_pb2_grpc, model_pb2
from babelscope.v1.tensor_pb2 import DATA_TYPE_F32, Tensor

LAYERS, WIDTH = 3, 5


def vector(text: str) -> np.ndarray:
    """What the fake encoder makes of a text: [LAYERS, WIDTH] float32, determined by its characters."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal((LAYERS, WIDTH)).astype(np.float32)


@dataclass
class FakeEncoder(encoder_pb2_grpc.EncoderServiceServicer):
    """Answers in shuffled blocks and small chunks, and breaks off where it is told to.

    Args:
        breaks: One an attempt: chunks after which the stream breaks off; None to go through.
        digests: One an attempt: the model's digest; the last one stays.
        code: The status of a break.
        seed: Of the order and size of blocks.
        rows: Rows of each text.
        unavailable: Calls of GetModel to refuse first.
    """

    breaks: list[int | None] = field(default_factory=list)
    digests: list[str] = field(default_factory=lambda: ["digest"])
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    seed: int = 0
    rows: int = 1
    unavailable: int = 0
    gets: int = 0
    seen: list[list[str]] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    message_texts: list[int] = field(default_factory=list)

    def ListModels(self, request: pb.ListModelsRequest, context: grpc.ServicerContext) -> pb.ListModelsResponse:  # noqa: N802
        page = int(request.page_token or 0)
        models = [model_pb2.Model(name=f"model-{page}", state=model_pb2.MODEL_STATE_AVAILABLE)]
        return pb.ListModelsResponse(models=models, next_page_token=str(page + 1) if page < 2 else "")

    def GetModel(self, request: pb.GetModelRequest, context: grpc.ServicerContext) -> model_pb2.Model:  # noqa: N802
        self.gets += 1
        if self.gets <= self.unavailable:
            context.abort(grpc.StatusCode.UNAVAILABLE, "loading")
        return model_pb2.Model(name=request.model.name, digest="digest", state=model_pb2.MODEL_STATE_READY)

    def Tokenize(self, request: pb.TokenizeRequest, context: grpc.ServicerContext) -> pb.TokenizeResponse:  # noqa: N802
        texts = [pb.TokenizedText(id=text.id, tokens=text.text.split(), special=[False]) for text in request.texts]
        return pb.TokenizeResponse(texts=texts)

    def Encode(  # noqa: N802
        self, request_iterator: Iterator[pb.EncodeRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.EncodeResponse]:
        attempt = len(self.seen)
        seen: list[str] = []
        self.seen.append(seen)
        self.metadata.append(dict(context.invocation_metadata()))
        chance = random.Random(self.seed + attempt)
        left = self.breaks[attempt] if attempt < len(self.breaks) else None
        spec = next(request_iterator).spec
        layers = list(spec.layers) or list(range(LAYERS))
        digest = self.digests[min(attempt, len(self.digests) - 1)]
        model = model_pb2.Model(name=spec.model.name, layers=LAYERS - 1, hidden_size=WIDTH, digest=digest)
        yield pb.EncodeResponse(started=pb.EncodeStarted(model=model, layers=layers, pooling=spec.pooling or 1))
        block = 0
        for request in request_iterator:
            self.message_texts.append(len(request.texts.texts))
            items = [(len(seen) + i, text) for i, text in enumerate(request.texts.texts)]
            seen += [text.id for _, text in items]
            chance.shuffle(items)
            chunks: list[pb.ActivationChunk] = []
            while items:
                size = chance.randint(1, 5)
                chunks += self.chunks(block, items[:size], layers, chance)
                items, block = items[size:], block + 1
            for chunk in chunks:
                if left == 0:
                    context.abort(self.code, "told to break")
                left = None if left is None else left - 1
                yield pb.EncodeResponse(chunk=chunk)
        if left is not None:
            context.abort(self.code, "told to break")
        yield pb.EncodeResponse(finished=pb.EncodeFinished(texts=len(seen), queue_seconds=1.0, compute_seconds=2.0))

    def chunks(self, block: int, items: list, layers: list[int], chance: random.Random) -> list[pb.ActivationChunk]:
        array = np.stack([vector(text.text)[layers] for _, text in items for _ in range(self.rows)])
        data = to_wire(array, DATA_TYPE_F32)[0].tobytes()
        encoded = [pb.EncodedItem(index=i, id=text.id, rows=self.rows, tokens=len(text.text)) for i, text in items]
        tensor = Tensor(dtype=DATA_TYPE_F32, shape=array.shape)
        cut = chance.randint(1, len(data))
        chunks = [pb.ActivationChunk(block=block, items=encoded, tensor=tensor, offset=0, data=data[:cut])]
        if data[cut:]:
            chunks.append(pb.ActivationChunk(block=block, offset=cut, data=data[cut:]))
        return chunks
