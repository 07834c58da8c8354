"""Logging, set up in one place: structlog to stderr, pretty on a terminal and JSON elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from core.settings import LogSettings

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_TALKATIVE = (
    "httpx",
    "httpcore",
    "sp_api",
    "botocore",
    "urllib3",
    "shopify",
    "pyactiveresource",
    "alembic",
    "apscheduler",
)
"""Libraries that write addresses or tokens below WARNING, or more than anyone reads."""


class _Stderr:
    """Whatever stderr is at the moment of writing: a progress bar or a test may have put itself before it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(settings: LogSettings, *, quiet: bool = False) -> None:
    """Log as `settings` say. `quiet`: a command run by hand, whose output says what was done, logs only warnings."""
    level = max(_LEVELS[settings.level], logging.WARNING if quiet else logging.DEBUG)
    pretty = settings.format == "pretty" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Plain tracebacks: the richer ones print local variables, which hold secrets and buyers' data.
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if pretty
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_stderr()),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_stderr())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _stderr() -> Any:
    return _Stderr()
