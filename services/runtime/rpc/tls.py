"""The server's side of TLS, with certificates that may be renewed while it runs."""

import logging
import ssl
import threading
from pathlib import Path
from typing import Any

import grpc

from services.runtime.rpc.security import UsageError
from services.runtime.settings import ServerSettings

log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


def server_credentials(settings: ServerSettings) -> grpc.ServerCredentials | None:
    """The server's side of TLS.

    Args:
        settings: Settings of the server.

    Returns:
        Credentials, which ask clients for certificates where `tls_client_ca` is set; None without TLS.

    Raises:
        UsageError: Where a file cannot be read, is no PEM file, or the key is not the certificate's.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    identity = Identity(settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    # The stubs forget that None is an answer.
    renewed: Any = identity.renewed
    return grpc.dynamic_ssl_server_credentials(
        identity.read(), renewed, require_client_authentication=settings.tls_client_ca is not None
    )


class Identity:
    """A certificate chain and its key in files, read anew when they change.

    Certificates of a cluster live for weeks or days, servers for longer.

    Args:
        certificate: PEM file of the chain.
        key: PEM file of the private key.
        authority: PEM file of the authority of clients, if any.
    """

    def __init__(self, certificate: Path, key: Path, authority: Path | None) -> None:
        self._files = {"tls_certificate": certificate, "tls_key": key}
        if authority is not None:
            self._files["tls_client_ca"] = authority
        self._lock = threading.Lock()
        self._stamp: Stamp = ()

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Reads the files.

        Raises:
            UsageError: Where a file cannot be read, is no PEM file, or the key is not the certificate's.
        """
        stamp = self._stamped()
        data = {field: _read(path, field) for field, path in self._files.items()}
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self._files["tls_certificate"], self._files["tls_key"], password=""
            )
        except ssl.SSLError as error:
            reason = (error.reason or "unreadable").replace("_", " ").lower()
            raise UsageError(f"Expected `tls_key` to be the key of `tls_certificate`, but got: {reason}") from None
        self._stamp = stamp
        pair = (data["tls_key"], data["tls_certificate"])
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=data.get("tls_client_ca"))

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC at every handshake, from a thread of its own.

        Returns:
            What to use from now on; None to go on as before, which is also the answer to half a renewal.
        """
        with self._lock:
            try:
                if self._stamped() == self._stamp:
                    return None
                configuration = self.read()
            except UsageError as error:
                log.warning("certificate not renewed", extra={"problem": str(error)})
                return None
        log.info("certificate renewed", extra={"file": str(self._files["tls_certificate"])})
        return configuration

    def _stamped(self) -> Stamp:
        """What tells that a file was changed."""
        stamps = []
        for path in self._files.values():
            try:
                state = path.stat()
            except OSError:
                stamps.append((0, 0, 0))
            else:
                stamps.append((state.st_mtime_ns, state.st_ino, state.st_size))
        return tuple(stamps)


def _read(path: Path, field: str) -> bytes:
    """A PEM file's bytes."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"Expected `{field}` to be a readable file, but got {path}: {error.strerror}") from None
    if b"-----BEGIN " not in data:
        raise UsageError(f"Expected `{field}` to be a PEM file, but {path} has no PEM block")
    return data
