"""The command line: `babelscope up | status | encode | compare | study | generate | ...`; `--help` lists all.

A command, or a family of them, is one file in this folder with a function `register(app)`, and one line in `_COMMANDS`.
Exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted. Errors are one line on the standard error.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import typer

from babelscope.cli.console import complain, tell_of_retries
from babelscope.errors import BabelscopeError, MeshError
from babelscope.transport import tracing

# gRPC's own notes about connections that come and go are not for this command's user.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

_COMMANDS: Final = (
    "up",
    "status",
    "models",
    "listing",
    "encode",
    "measure",
    "fit_map",
    "means",
    "retrieve",
    "merge",
    "project",
    "translate_tokens",
    "score",
    "statistics",
    "study",
    "train",
    "evaluate",
    "pretrain",
    "pretrain_static",
    "sweep",
    "jobs",
    "generate",
    "prepare",
    "datasets",
    "store",
)
_USAGE_ERROR: Final[type[Any]] = typer.BadParameter.__mro__[1]
_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130


def build() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name="babelscope",
        help="Where, and why, does a multilingual text encoder carry meaning across languages?",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name in _COMMANDS:
        importlib.import_module(f"babelscope.cli.{name}").register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and ends the process with its exit code.

    Args:
        arguments: Arguments of the command; those of the process where None.
    """
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: Arguments of the command; those of the process where None.

    Returns:
        The exit code.
    """
    command = typer.main.get_command(build())
    tell_of_retries()
    try:
        with tracing.command("babelscope"):
            code = command.main(args=arguments, prog_name="babelscope", standalone_mode=False)
    except _USAGE_ERROR as error:
        where = error.ctx.command_path if error.ctx else "babelscope"
        message = error.format_message()
        if message:  # without arguments the help has been shown already, and the error has no words
            complain(f"{message.removesuffix('.')} (see {where} --help)")
        return _USAGE
    except typer.Exit as done:
        return done.exit_code
    except MeshError as error:
        complain(error.message)
        return _FAILED
    except tracing.TracingError as error:
        complain(str(error))
        return _USAGE
    except (BabelscopeError, OSError) as error:
        complain(str(error))
        return _FAILED
    except ValueError as error:  # what the library's functions raise for an argument that cannot be
        complain(str(error))
        return _USAGE
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted")
        return _INTERRUPTED
    return code if isinstance(code, int) else 0
