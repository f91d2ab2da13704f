"""The settings of the trainer, read from `BABELSCOPE_*`."""

import os
from pathlib import Path
from typing import Literal

from babelscope.transport.channel import TLS, ClientConfig
from babelscope.transport.retry import RetryPolicy
from pydantic import Field, SecretStr

from services.models.settings import ModelSettings
from services.runtime import logs
from services.runtime.devices import DeviceLost
from services.runtime.settings import Port, Seconds


def cache_folder(name: str) -> Path:
    """A folder of the trainer below the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "babelscope" / "trainer" / name


def default_database() -> str:
    """The job table where none is given: SQLite below the user's cache."""
    return f"sqlite:///{cache_folder('jobs.db')}"


class TrainerSettings(ModelSettings):
    """What the trainer is told at its start."""

    port: Port = Field(50054, description="Port to listen on; 0 takes any free one.")
    database: SecretStr = Field(
        default_factory=lambda: SecretStr(default_database()),
        description="The job table: `sqlite:////folder/jobs.db`, or `postgresql://user:password@host/name` for a team.",
    )
    work_dir: Path = Field(
        default_factory=lambda: cache_folder("work"), description="Folder for what jobs write while they run."
    )
    slots: int = Field(1, ge=0, description="Jobs at once; with 0 this server runs none and leaves them to others.")
    lease_seconds: Seconds = Field(
        60.0, ge=1.0, description="Time after which a job whose trainer is silent is another's."
    )
    runner: Literal["process", "ray"] = Field(
        "process",
        description="What runs jobs: `process` (processes of this machine) or `ray`.",
    )
    fork_jobs: bool = Field(
        True,
        description="Whether the processes of jobs are forks of one that has loaded their libraries, which starts with "
        "the first job and holds some 300 MB; otherwise each one loads them itself, for seconds. Only on Linux.",
    )
    ray_address: str = Field(
        default_factory=lambda: os.environ.get("RAY_ADDRESS", ""),
        description="The Ray cluster of the runner `ray`; that of `RAY_ADDRESS` if not given, and without either a Ray "
        "of this machine, which the first job starts.",
    )
    ray_gpus: float = Field(
        0.0, ge=0.0, le=1e6, description="GPUs that each worker of a job asks Ray for; below 1, jobs share one."
    )
    kept_bytes: int = Field(
        1 << 30,
        ge=0,
        description="Bytes that a process which does jobs of a sweep keeps from one to the next: sets as they were "
        "cut, and hidden states of frozen layers; with 0 it keeps nothing.",
    )
    max_workers: int = Field(8, ge=1, description="Most workers of one job.")
    stop_seconds: Seconds = Field(5.0, description="Time that a job's process has to end before it is killed.")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Where jobs compute: `auto`, `cpu` or `cuda:0`; auto takes a GPU if it can.",
    )
    threads: int | None = Field(
        None, ge=1, description="Threads of a job on the CPU; the cores shared out among the slots if not given."
    )
    datagen: str = Field("127.0.0.1:50053", min_length=1, description="The datagen server, from which data is read.")
    metrics: str = Field("127.0.0.1:50052", min_length=1, description="The metrics server, which scores predictions.")
    encoder: str = Field("127.0.0.1:50051", min_length=1, description="The encoder, for jobs that run a study.")
    trainer: str = Field(
        "", description="This trainer as its own jobs reach it, for studies that train; its port on loopback if empty."
    )
    study_slots: int = Field(1, ge=1, description="Studies at once, besides the jobs in `slots`, for which they wait.")
    peer_token: SecretStr | None = Field(None, description="Bearer token that these servers ask for.")
    peer_tls: bool = Field(False, description="Whether these servers are reached through TLS.")
    peer_ca: Path | None = Field(None, description="PEM file of the authority behind their certificates.")
    peer_certificate: Path | None = Field(None, description="PEM file with this server's certificate as a client.")
    peer_key: Path | None = Field(None, description="PEM file with the private key of that certificate.")
    peer_insecure: bool = Field(False, description="Send the token without TLS to another machine.")
    peer_patience: Seconds = Field(120.0, description="Time that a server that has gone has to come back.")
    share_states: bool | None = Field(
        None,
        description="Whether the states of running jobs go to the store, so that trainers on other machines can go on "
        "from them; where not given, if the job table is a PostgreSQL or jobs run on a Ray cluster.",
    )
    predict_threads: int = Field(1, ge=1, description="Requests for predictions that are worked on at once.")
    predict_replicas: int = Field(
        1,
        ge=0,
        description="Replicas of Ray Serve that predict, with the runner `ray`; with 0 this server predicts by itself.",
    )
    max_models: int = Field(2, ge=1, description="Fine-tuned models in memory; the one unused for longest makes room.")
    max_jobs: int = Field(
        20_000,
        ge=1,
        description="Jobs that wait or run at once, those of sweeps among them; what would exceed them is refused. "
        "A long job counts as one for every 16 KiB of its specification.",
    )
    max_caller_jobs: int | None = Field(
        None,
        ge=1,
        description="Jobs of one caller that wait or run at once; three quarters of `max_jobs` where not given.",
    )
    keep_jobs_days: float = Field(
        90.0,
        ge=0,
        le=36_500,
        description="Days for which a job that failed or was cancelled stays in the job table, or longer while a "
        "checkpoint names it; with 0 it stays until it is removed.",
    )
    max_watchers: int = Field(
        32, ge=1, description="Calls of WatchJob at once; no client has more than three quarters of them."
    )

    @property
    def caller_jobs(self) -> int:
        """Jobs of one caller that wait or run at once."""
        return self.max_caller_jobs or max(1, self.max_jobs - self.max_jobs // 4)

    def peer(self, address: str) -> ClientConfig:
        """How another server of the mesh is reached."""
        tls = None
        if self.peer_tls or self.peer_ca is not None:
            tls = TLS(self.peer_ca, self.peer_certificate, self.peer_key)
        return ClientConfig(
            address,
            tls=tls,
            token=self.peer_token.get_secret_value() if self.peer_token else None,
            insecure=self.peer_insecure,
            request_id=logs.request_id.get,
            stream_timeout=None,
            retry=RetryPolicy(patience=self.peer_patience, first_patience=self.peer_patience),
        )

    def own_address(self) -> str:
        """This trainer's own address, for its jobs."""
        if self.trainer:
            return self.trainer
        bound = self.port_file.read_text("utf-8").strip() if self.port_file and self.port_file.exists() else ""
        return f"127.0.0.1:{bound or self.port}"

    def chosen_device(self) -> str:
        """The device that the setting means: `auto` is the first GPU where there is one.

        Raises:
            DeviceLost: A GPU is asked for, and none answers.
        """
        from torch import cuda

        if self.device == "cpu":
            return "cpu"
        if not cuda.is_available():
            if self.device == "auto":
                return "cpu"
            raise DeviceLost(f"Expected a GPU, as `device` is {self.device}, but none answers")
        return "cuda:0" if self.device in {"auto", "cuda"} else self.device

    @property
    def cluster(self) -> str:
        """Address of the Ray cluster that runs jobs; empty where they run on this machine."""
        return self.ray_address if self.runner == "ray" and self.ray_address != "local" else ""

    @property
    def shares_states(self) -> bool:
        """Whether the states of running jobs go to the store."""
        if self.share_states is None:
            return bool(self.cluster) or self.database.get_secret_value().startswith("postgres")
        return self.share_states

    def threads_of_a_job(self) -> int:
        """Threads of a job on the CPU."""
        return self.threads or max(1, len(os.sched_getaffinity(0)) // max(1, self.slots))
