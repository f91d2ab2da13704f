"""Starts the metrics service: `python -m services.metrics`, configured by `BABELSCOPE_*`."""

from services.metrics.service import MetricsService
from services.metrics.settings import MetricsSettings
from services.runtime.server import run
from services.runtime.settings import load


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    settings = load(MetricsSettings)
    run(MetricsService(settings), settings)


if __name__ == "__main__":
    main()
