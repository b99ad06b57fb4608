"""Diagnostics as lines: what and where, then which field and what to do."""

from collections.abc import Iterator
from typing import Any

from lateen.cli import exits


def lines(status: dict[str, Any]) -> Iterator[str]:
    """Yield the lines for the diagnostics of a lab's status document."""
    for each in status["diagnostics"]:
        yield each["text"]
        field = each["origin"].partition("#")[2]
        hint = ": ".join(part for part in (field, each["remedy"]) if part)
        if hint:
            yield f"  {hint}"


def pod_lines(status: dict[str, Any]) -> Iterator[str]:
    """Yield a line for every pod that is not ready, with its reason."""
    for pod in status["pods"]:
        if not pod["ready"]:
            reason = ": ".join(part for part in (pod["reason"], pod["message"]) if part)
            yield f"pod {pod['namespace']}/{pod['name']}: {reason or 'not ready yet'}"


def proxy_lines(status: dict[str, Any]) -> Iterator[str]:
    """Yield a line for every configuration that a proxy rejected."""
    for proxy in status["proxies"]:
        for problem in proxy["problems"]:
            yield f"proxy {proxy['proxy']}: {problem}"


def complain(status: dict[str, Any], *, complete: bool) -> None:
    """Write diagnostics to stderr and, if the mesh is not complete, what it waits for."""
    if not complete:
        for line in (*pod_lines(status), *proxy_lines(status)):
            exits.complain(f"  {line}")
    for line in lines(status):
        exits.complain(line)
