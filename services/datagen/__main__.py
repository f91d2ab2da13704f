"""Starts the datagen service: `python -m services.datagen`, configured by `BABELSCOPE_*`."""

from services.runtime.process.beginning import begin


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    from services.datagen.service import DatagenService
    from services.datagen.settings import DatagenSettings
    from services.runtime.server import run
    from services.runtime.settings import load

    settings = load(DatagenSettings)
    run(DatagenService(settings), settings)


if __name__ == "__main__":
    begin()
    main()
