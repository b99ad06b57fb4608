"""JSON paths such as `spec.http[0].match` and `metadata.labels["example.com/a"]`. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_STEP = re.compile(
    r'\["(?P<quoted>[^"]*)"\]|\[(?P<index>[0-9]+)\]|\[(?P<key>[^\]]*)\]|\.?(?P<name>[^.\[]+)'
)
"""Kubernetes writes a map's key in brackets without quotes: `resources.limits[example.com/a]`."""


def steps(path: str) -> Iterator[str | int]:
    """Return the field names and indexes of a path, outermost first."""
    for found in _STEP.finditer(path):
        if found["index"] is not None:
            yield int(found["index"])
        else:
            named = (found[form] for form in ("quoted", "key", "name"))
            yield next(text for text in named if text is not None)


def join(path: str, step: str | int) -> str:
    """Return the path of a field or element one step further in."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    if "." in step or "/" in step or "[" in step:
        return f'{path}["{step}"]'
    return f"{path}.{step}" if path else step


def enclosing(path: str) -> Iterator[str]:
    """Return the path itself and those around it, down to the empty path of the whole."""
    while path:
        yield path
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    yield ""


def lookup(value: Any, path: str) -> Any:
    """Return what stands at a path, or None."""
    for step in steps(path):
        if isinstance(step, int):
            inside = isinstance(value, Sequence) and step < len(value)
            value = value[step] if inside else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value
