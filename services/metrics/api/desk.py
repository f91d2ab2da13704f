"""What the doors of the metrics service work with."""

from dataclasses import dataclass

from services.metrics.api.flow import Flow
from services.metrics.settings import MetricsSettings
from services.runtime.files.store import Store
from services.runtime.memory import Memory
from services.runtime.work import Workers


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts of the server that more than one door needs.

    Attributes:
        settings: Limits.
        flow: Translator from messages of rows to tables and estimates.
        workers: Threads for measuring.
        fitters: Threads for fitting maps.
        store: Store of sums and maps.
        memory: Bytes that requests hold.
    """

    settings: MetricsSettings
    flow: Flow
    workers: Workers
    fitters: Workers
    store: Store
    memory: Memory
