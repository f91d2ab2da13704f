"""Starts the encoder service: `python -m services.encoder`, configured by `BABELSCOPE_*`."""

import sys

from services.runtime.process.beginning import begin


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    from services.encoder.service import EncoderService
    from services.encoder.settings import EncoderSettings
    from services.runtime.errors import ServiceError
    from services.runtime.server import run
    from services.runtime.settings import EXIT_USAGE, load
    from services.runtime.telemetry import Telemetry

    settings = load(EncoderSettings)
    telemetry = Telemetry()
    try:
        service = EncoderService(settings, telemetry)
    except ServiceError as error:
        sys.stderr.write(f"BABELSCOPE_STORE_URL: {error}\n")
        raise SystemExit(EXIT_USAGE) from None
    run(service, settings, telemetry)


if __name__ == "__main__":
    begin()
    main()
