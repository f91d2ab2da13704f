"""The encoder's stub, which reads hidden states where they are in the messages that come."""

from typing import Any

from babelscope.data.blocks import read_response
from babelscope.v1 import encoder_pb2
from babelscope.v1.encoder_pb2_grpc import EncoderServiceStub


class EncoderStub(EncoderServiceStub):
    """The generated stub, whose `Encode` answers with what `babelscope.data.blocks.read_response` reads.

    Args:
        channel: The transport, of either kind.
    """

    def __init__(self, channel: Any) -> None:
        super().__init__(channel)  # type: ignore[call-arg]
        self.Encode = channel.stream_stream(
            "/babelscope.v1.EncoderService/Encode",
            request_serializer=encoder_pb2.EncodeRequest.SerializeToString,
            response_deserializer=read_response,
            _registered_method=True,
        )
