"""What the process of a server does before it imports its packages."""

import os

from services.runtime.process.signals import end_while_starting


def begin() -> None:
    """Makes this process one that can be told to end, and keeps gRPC from writing lines of its own into its log.

    Any client makes gRPC write some, such as one for each TLS handshake that fails. `GRPC_VERBOSITY` brings them back.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # read when gRPC is imported
    end_while_starting()
