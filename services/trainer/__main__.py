"""Starts the trainer: `python -m services.trainer`, configured by `BABELSCOPE_*`."""

import sys

from services.runtime.process.beginning import begin


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    from services.runtime.errors import ServiceError
    from services.runtime.server import run
    from services.runtime.settings import EXIT_USAGE, load
    from services.runtime.telemetry import Telemetry
    from services.trainer.settings import TrainerSettings

    settings = load(TrainerSettings)
    from services.trainer.service import TrainerService

    telemetry = Telemetry()
    try:
        service = TrainerService(settings, telemetry)
    except ServiceError as error:
        sys.stderr.write(f"The trainer cannot start: {error}\n")
        raise SystemExit(EXIT_USAGE) from None
    run(service, settings, telemetry)


if __name__ == "__main__":
    begin()
    main()
