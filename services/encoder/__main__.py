"""Starts the encoder service: `python -m services.encoder`, configured by `BABELSCOPE_*`."""

from services.encoder.service import EncoderService
from services.encoder.settings import EncoderSettings
from services.runtime.server import run
from services.runtime.settings import load
from services.runtime.telemetry import Telemetry


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    settings = load(EncoderSettings)
    telemetry = Telemetry()
    run(EncoderService(settings, telemetry), settings, telemetry)


if __name__ == "__main__":
    main()
