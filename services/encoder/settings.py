"""The settings of the encoder service, read from `BABELSCOPE_*`."""

import os
from typing import Self

from pydantic import Field, model_validator

from services.models.settings import ModelSettings
from services.runtime.settings import Names, Port, Seconds

LEAST_BUDGET = 16
THREAD_BUDGET = 2048
GPU_BUDGET = 32768


class EncoderSettings(ModelSettings):
    """What the encoder service is told at its start."""

    port: Port = Field(50051, description="Port to listen on; 0 takes any free one.")
    preload: Names = Field(
        (), description="Models loaded before the server is ready: a list in JSON, or separated by commas."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="`auto`, `cpu` or `cuda:0`; auto takes a GPU if it can.",
    )
    threads: int | None = Field(None, ge=1, description="Threads of a model on the CPU; one a core where not given.")
    token_budget: int | None = Field(
        None,
        ge=LEAST_BUDGET,
        description="Padded tokens a batch, at least the longest input of every model served. Where not given: "
        f"{THREAD_BUDGET} a thread on the CPU, {GPU_BUDGET} on a GPU, or a model's longest input if that is more.",
    )
    queue_tokens: int = Field(1 << 20, ge=1, description="Tokens queued at once, of all clients.")
    queue_bytes: int = Field(256 << 20, ge=1 << 20, description="Bytes of the queued texts, of all clients.")
    queue_seconds: Seconds = Field(30.0, description="Time that a request waits for room in a full queue.")
    result_bytes: int = Field(
        256 << 20, ge=1 << 20, description="Bytes of answers computed and not yet read, of all clients."
    )
    cache_bytes: int = Field(
        0,
        ge=0,
        description="Bytes of the store for pooled rows of earlier requests, shared by all encoders of the store; 0 "
        "keeps none. Off by default, as it keeps what was computed of users' texts beyond their requests.",
    )
    cache_tokens: bool = Field(False, description="Keep rows of single tokens as well, which are far larger.")
    word_bytes: int = Field(
        2 << 30,
        ge=1 << 20,
        description="Bytes of the sums of all EncodeWords requests: words x layers x d x 8.",
    )
    max_models: int = Field(4, ge=1, description="Models in memory; the one unused for longest makes room.")
    model_bytes: int | None = Field(
        None,
        ge=1,
        description="Bytes of the weights in memory, of all models together; where not given, 60 % of the machine's or "
        "the container's memory, or 80 % of the GPU's. A model that alone has more is refused.",
    )
    max_texts: int = Field(4096, ge=1, description="Texts a message.")
    max_interventions: int = Field(64, ge=0, description="Interventions a request, or a setting of predicted tokens.")
    max_settings: int = Field(256, ge=1, description="Settings of interventions a request for predicted tokens.")

    @model_validator(mode="after")
    def _queue_holds_a_batch(self) -> Self:
        """Refuses a queue in which the longest text could wait for ever."""
        if self.token_budget is not None and self.queue_tokens < self.token_budget:
            raise ValueError(
                f"Expected `queue_tokens` of at least `token_budget`, {self.token_budget}, but got {self.queue_tokens}"
            )
        return self

    def budget(self, max_tokens: int, device: str) -> int:
        """Padded tokens a batch of a model.

        Args:
            max_tokens: The model's longest input.
            device: Device of the model.

        Raises:
            ValueError: The budget, or the queue, is below the longest input: such a text would never be computed.
        """
        budget = self.token_budget
        if budget is None:
            threads = self.threads or len(os.sched_getaffinity(0))
            budget = max(THREAD_BUDGET * threads if device == "cpu" else GPU_BUDGET, max_tokens)
        for name, tokens in (("token_budget", budget), ("queue_tokens", self.queue_tokens)):
            if tokens < max_tokens:
                raise ValueError(
                    f"Expected `{name}` (BABELSCOPE_{name.upper()}) of at least {max_tokens}, its longest input in "
                    f"tokens, but got {tokens}"
                )
        return budget
