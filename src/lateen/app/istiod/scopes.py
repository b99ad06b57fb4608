"""ControlZ's page of log scopes, as `istioctl admin log` reads and sets it: the plane's loggers."""

import json
import logging

_ROOMS = ("lateen", "apiserver", "app", "compiler", "controllers", "kube", "pki", "store", "xds")
_LEVELS = {
    "none": logging.CRITICAL + 10,
    "fatal": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
_NOTHING = "none"


class ScopeError(Exception):
    """There is no such scope or level."""


def shown() -> bytes:
    """Return every scope with its level, as JSON."""
    return json.dumps([_row(name) for name in _ROOMS]).encode()


def one(name: str) -> bytes:
    """Return one scope as JSON. Raises ScopeError for one that is not there."""
    _logger(name)
    return json.dumps(_row(name)).encode()


def put(name: str, body: bytes) -> None:
    """Set a scope's level from JSON with `output_level`. Raises ScopeError."""
    logger = _logger(name)
    try:
        wanted = json.loads(body)
    except ValueError:
        raise ScopeError("the body is not JSON") from None
    level = str(wanted.get("output_level", "")) if isinstance(wanted, dict) else ""
    if level not in _LEVELS:
        raise ScopeError(f"no level {level!r}: {', '.join(_LEVELS)}")
    logger.setLevel(_LEVELS[level])


def _logger(name: str) -> logging.Logger:
    if name not in _ROOMS:
        raise ScopeError(f"no scope {name!r}: {', '.join(_ROOMS)}")
    return logging.getLogger(name if name == _ROOMS[0] else f"{_ROOMS[0]}.{name}")


def _row(name: str) -> dict[str, object]:
    effective = _logger(name).getEffectiveLevel()
    level = next((word for word, number in _LEVELS.items() if number == effective), "info")
    about = "everything of Lateen's plane" if name == _ROOMS[0] else f"Lateen's room {name}"
    return {
        "name": name,
        "description": about,
        "output_level": level,
        "stack_trace_level": _NOTHING,
        "log_callers": False,
    }
