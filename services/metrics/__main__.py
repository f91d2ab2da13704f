"""Starts the metrics service: `python -m services.metrics`, configured by `BABELSCOPE_*`."""

import os

from services.runtime.process.beginning import begin


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    from services.metrics.settings import MetricsSettings
    from services.runtime.server import run
    from services.runtime.settings import load

    settings = load(MetricsSettings)
    if settings.threads is not None:
        # BLAS and torch read these once, when they are first imported: hence the late import below.
        os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(settings.threads)
    from services.metrics.service import MetricsService

    run(MetricsService(settings), settings)


if __name__ == "__main__":
    begin()
    main()
