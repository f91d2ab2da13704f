"""Prints this environment's packages as pins: no hosts, no local builds, not the project itself."""

from importlib.metadata import distributions

SELF_AND_INSTALLER = {"babelscope", "pip", "setuptools", "wheel"}


def main() -> None:
    """Prints one `name==version` line a package, sorted."""
    pins = {d.metadata["Name"].lower().replace("_", "-"): d.version.split("+")[0] for d in distributions()}
    for name in sorted(pins.keys() - SELF_AND_INSTALLER):
        print(f"{name}=={pins[name]}")


if __name__ == "__main__":
    main()
