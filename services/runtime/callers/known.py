"""The accounts of the callers that a server knows; read anew when their file changes, without a restart."""

import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from services.runtime.callers import files
from services.runtime.callers.accounts import ANONYMOUS, UNNAMED, Account
from services.runtime.errors import Unauthenticated

log = logging.getLogger(__name__)


class Callers:
    """Who may call.

    Args:
        token: Bearer token without a name; None for none.
        path: File or folder of named tokens; None for none. Without both, everybody may call.
        clock: Seconds, monotonic.

    Raises:
        CallersError: The file cannot be read.
    """

    def __init__(
        self, token: str | None = None, path: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self._clock = path, clock
        self._key = os.urandom(32)
        self._own = [(self._digest(token), Account(UNNAMED, clock=clock))] if token is not None else []
        self._anonymous = Account(ANONYMOUS, clock=clock)
        self._stamp: files.Stamp = ()
        self._problem = ""
        self._accounts: dict[str, Account] = {}
        self._known: list[tuple[bytes, Account]] = self._own
        if path is not None:
            try:
                self._stamp = files.stamp(path)
            except OSError as error:
                raise files.CallersError(f"Expected a readable folder of callers, but got {path}: {error}") from None
            self._take(files.read_callers(path))

    @property
    def open(self) -> bool:
        """Whether everybody may call."""
        return self._path is None and not self._own

    @property
    def anonymous(self) -> Account:
        """The account of all who call a server that asks for no token."""
        return self._anonymous

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts of all who may call, and of those alone."""
        if self.open:
            return (self._anonymous,)
        return (*(account for _, account in self._own), *self._accounts.values())

    def identify(self, token: str) -> Account:
        """The account of a token; the time that this takes does not depend on how much of a token is right.

        Raises:
            Unauthenticated: Nobody has it.
        """
        digest = self._digest(token)
        found: Account | None = None
        for known, account in self._known:
            if hmac.compare_digest(known, digest):
                found = account
        if found is None:
            raise Unauthenticated("Expected a known token in metadata `authorization`, but got another")
        return found

    def refresh(self) -> bool:
        """Reads the file anew where it has changed; one that cannot be read leaves all as it was.

        Accounts keep what they have used. RPCs of a caller that is gone end by themselves.

        Returns:
            Whether it was read.
        """
        if self._path is None:
            return False
        try:
            stamp = files.stamp(self._path)
            if stamp == self._stamp:
                return False
            callers = files.read_callers(self._path)
        except (files.CallersError, OSError) as error:
            # It is looked at again: what could not be read may be readable by then, and look the same from outside.
            if str(error) != self._problem:
                self._problem = str(error)
                log.warning("callers not read anew", extra={"problem": str(error)})
            return False
        self._stamp, self._problem = stamp, ""
        self._take(callers)
        log.info("callers read anew", extra={"callers": len(callers)})
        return True

    def _take(self, callers: tuple[files.Caller, ...]) -> None:
        """Makes these the named callers."""
        accounts: dict[str, Account] = {}
        known = list(self._own)
        for caller in callers:
            account = self._accounts.get(caller.name) or Account(caller.name, caller.limits, self._clock)
            if account.limits != caller.limits:
                account.change(caller.limits)
            accounts[caller.name] = account
            known += [(self._digest(token), account) for token in caller.tokens]
        self._accounts, self._known = accounts, known

    def _digest(self, token: str) -> bytes:
        """A token under a key of this process: all have one length, and none shows how much of it was right."""
        return hashlib.blake2b(token.encode("utf-8", "surrogateescape"), key=self._key, digest_size=32).digest()
