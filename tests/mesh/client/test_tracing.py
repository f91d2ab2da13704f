"""One request is one trace: from the command through metrics to the encoder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.collector import Span, collecting
from tests.support.numbered_texts import TEXTS

pytest.importorskip("opentelemetry.sdk")

ROOT = Path(__file__).resolve().parents[3]


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BABELSCOPE_", "OTEL_"))}
    path = os.pathsep.join([str(ROOT), str(ROOT / "clients")])
    return {**kept, "PYTHONPATH": path, "BABELSCOPE_HUB": "false", **more}


def test_one_trace_through_client_metrics_and_encoder(model_root: Path, tmp_path: Path) -> None:
    for language in ("en", "fr"):
        (tmp_path / f"{language}.txt").write_text("\n".join(TEXTS[:30]), encoding="utf-8")
    command = [sys.executable, "-m", "babelscope.cli", "compare", "--model", "tiny", "--layers", "1"]
    command += [part for tag in ("en", "fr") for part in ("--parallel", f"{tag}={tmp_path / tag}.txt")]
    with collecting() as found:
        done = subprocess.run(
            [*command, "--out", str(tmp_path / "out")],
            env=_environment(
                BABELSCOPE_MODEL_ROOTS=str(model_root),
                BABELSCOPE_OTLP_ENDPOINT=found.endpoint,
                OTEL_BSP_SCHEDULE_DELAY="100",  # spans leave well before a slow machine's servers are stopped
            ),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    by_id = {span.id: span for span in found.spans}

    def above(span: Span) -> list[tuple[str, str]]:
        found = [(span.service, span.name)]
        while span.parent in by_id:
            span = by_id[span.parent]
            found.append((span.service, span.name))
        return found

    ends = [span for span in found.spans if span.name == "babelscope.v1.EncoderService/Encode"]
    assert ends
    for end in ends:
        assert above(end) == [
            ("babelscope-encoder", "babelscope.v1.EncoderService/Encode"),
            ("babelscope-metrics", "EncoderService.Encode"),
            ("babelscope-metrics", "babelscope.v1.MetricsService/Compare"),
            ("babelscope", "MetricsService.Compare"),
            ("babelscope", "babelscope"),
        ]
    assert len({span.trace for span in found.spans}) == 1
    # The encoder's logs have the id of the request that the client made.
    requests = {
        span.attributes["babelscope.request_id"]
        for span in found.spans
        if span.name.startswith(("babelscope.v1.EncoderService/Encode", "MetricsService.Compare"))
    }
    assert len(requests) == 1


def test_nothing_is_imported_where_no_trace_is_asked_for() -> None:
    script = (
        "import sys, grpc, babelscope, services.runtime.server\n"
        "from babelscope.transport.channel import ClientConfig\n"
        "assert ClientConfig('localhost:1').metadata('id') == (('x-request-id', 'id'),)\n"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], env=_environment(), check=True)


@pytest.mark.parametrize(("endpoint", "problem"), [("collector:4317", "Expected the collector's address as http://")])
def test_a_wrong_address_is_wrong_usage(endpoint: str, problem: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "babelscope.cli", "status", "--mesh", "localhost"],
        env=_environment(BABELSCOPE_OTLP_ENDPOINT=endpoint),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert problem in done.stderr
