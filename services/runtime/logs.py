"""Logs: one JSON object a line, with the id of the request that it belongs to.

A message is an event's name; what belongs to it goes into `extra`: `log.info("loaded", extra={"model": name})`.
"""

import contextvars
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

# Set for the length of an RPC, in its own task. A thread sees it where the work is run in a copy of the context, as
# `asyncio.to_thread` does.
request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")

caller: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="")
trace_id: contextvars.ContextVar[str] = contextvars.ContextVar("trace_id", default="")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _request() -> dict[str, str]:
    """What is known of the request that a line belongs to: its id, who asked, and its trace."""
    known = {"request_id": request_id.get(), "caller": caller.get(), "trace_id": trace_id.get()}
    return {name: value for name, value in known.items() if value}


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a record's caller passed in `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time, level, logger, event, its request, the extra fields, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record; a value that JSON does not know is written as its text."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update(_request())
        line.update(_fields(record))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A record for a person's eyes: time, level, event, fields, and the traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        """Formats a record."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = {**_request(), **_fields(record)}
        rest = "".join(f" {name}={value}" for name, value in fields.items())
        line = f"{time} {record.levelname:<7} {record.getMessage()}{rest}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(level: str = "INFO", form: Literal["json", "text"] = "json") -> None:
    """Sends the process's logs to the standard error, in place of whatever was set up before.

    Args:
        level: Least level that is logged.
        form: `json` or `text`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
