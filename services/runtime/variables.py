"""Environment variables: those that no program of the project knows are refused, as they are likely misspelt."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from services.runtime.suggestions import closest

PREFIX: Final = "BABELSCOPE_"

ELSEWHERE: Final = frozenset(
    {
        # The client, studies, tests, and the trainer's own processes.
        *("CHROMIUM", "DEMO_TEXT", "EMERGENCE_TEXT", "JOB_EVENTS", "MESH", "SHARED_DATA", "TATOEBA", "WHOLE"),
        # Models that studies compare.
        *("PAIR", "BILINGUAL", "WORD2VEC_SMALL", "WORD2VEC_LARGE", "GLOVE_SMALL", "GLOVE_LARGE", "BERT_SMALL"),
        *("BERT_LARGE", "BERT_SMALL_20", "BERT_LARGE_20"),
        # Settings of one service or another: one environment may serve them all.
        *("ALLOWED_HUBS", "ALLOWED_HUB_MODELS", "ALLOWED_MODELS", "MODEL_BYTES"),
        *(
            "CACHE_BYTES",
            "CACHE_TOKENS",
            "CHECKPOINT_DIR",
            "DATABASE",
            "DATAGEN",
            "DEVICE",
            "DICTIONARY_ROOTS",
            "ENCODER",
            "ENCODER_CA",
        ),
        *("ENCODER_CERTIFICATE", "ENCODER_FIRST_PATIENCE", "ENCODER_INSECURE", "ENCODER_KEY", "ENCODER_PATIENCE"),
        *("ENCODER_TLS", "ENCODER_TOKEN", "ENCODE_AT_ONCE", "HUB", "HUB_CACHE", "HUB_SECONDS", "LEASE_SECONDS"),
        *("MAP_THREADS", "MAX_DIMENSIONS", "MAX_GENERATED", "MAX_INTERVENTIONS", "MAX_LAYERS", "MAX_MEASURES"),
        *("MAX_MODELS", "MAX_PAIRS", "MAX_ROWS", "MAX_SAMPLES", "MAX_STATES", "MAX_STEPS", "MAX_TEXTS"),
        *(
            "MAX_TEXT_BYTES",
            "MAX_VIEWS",
            "MAX_WATCHERS",
            "MAX_WORKERS",
            "METRICS",
            "MODEL_ALIASES",
            "MODEL_ROOTS",
            "PEER_CA",
        ),
        *("PEER_CA", "PEER_CERTIFICATE", "PEER_INSECURE", "PEER_KEY", "PEER_PATIENCE", "PEER_TLS", "PEER_TOKEN"),
        *(
            "PREDICT_REPLICAS",
            "PREDICT_THREADS",
            "PRELOAD",
            "QUEUE_BYTES",
            "QUEUE_SECONDS",
            "QUEUE_TOKENS",
        ),
        *("RAY_ADDRESS", "RAY_GPUS", "RESULT_BYTES", "RUNNER", "SCRATCH_BYTES", "SCRATCH_DIR", "SHARE_STATES"),
        *(
            "FORK_JOBS",
            "KEEP_JOBS_DAYS",
            "KEPT_BYTES",
            "MAX_CALLER_JOBS",
            "MAX_JOBS",
            "SLOTS",
            "STOP_SECONDS",
            "THREADS",
        ),
        *("TOKEN_BUDGET", "TRANSLATION_CA", "TRANSLATION_DEFAULT", "TRANSLATION_DEVICE", "TRANSLATION_HUB"),
        *("TRANSLATION_MODELS", "TRANSLATION_PATIENCE", "TRANSLATION_ROOTS", "TRANSLATION_SECONDS"),
        *("TRANSLATION_SERVERS", "TRANSLATION_THREADS", "TRANSLATION_TLS", "TRANSLATION_TOKEN", "WORK_BYTES"),
        *("WORD_BYTES", "WORK_DIR", "WORK_THREADS", "MAX_SETTINGS", "STUDY_SLOTS", "TRAINER"),
    }
)
"""Names, without the prefix, that other programs of the project read."""

# What Kubernetes sets in a pod for each service of its namespace: BABELSCOPE_ENCODER_SERVICE_HOST and the like.
_SERVICE_LINK: Final = re.compile(r".+_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_.+)?)")
_SERVICE_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://.+")


def unknown(environment: Mapping[str, str], fields: Iterable[str]) -> dict[str, str]:
    """Variables with the project's prefix that no program of the project reads.

    Args:
        environment: Values by name; case does not matter.
        fields: Names of the settings of this program.

    Returns:
        For each such variable, sorted, a problem: a sentence with the nearest name that is known.
    """
    own = {name.upper() for name in fields}
    found = {}
    for variable, value in sorted(environment.items()):
        name = variable.upper().removeprefix(PREFIX)
        if not variable.upper().startswith(PREFIX) or name in own | ELSEWHERE or _is_service_link(name, value):
            continue
        near = closest(name, sorted(own)) or closest(name, sorted(ELSEWHERE))
        hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
        found[variable] = f"Expected the name of a setting, but there is none of this name{hint}"
    return found


def _is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes set a variable, and no person did."""
    if _SERVICE_LINK.fullmatch(name):
        return True
    return name.endswith("_PORT") and _SERVICE_ADDRESS.fullmatch(value) is not None
