"""What is not as it should be, as lines: pods, proxies, and the diagnostics of manifests."""

import signal
from collections.abc import Callable, Iterator, Sequence

from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.terminal import screen

LastLines = Callable[[Json], Sequence[str]]
"""Returns the last lines that a pod's failing container wrote."""
LEVELS = ("Info", "Warning", "Error")
_CRASHED = ("CrashLoopBackOff", "Error", "OOMKilled", "StartError", "ContainerCannotRun")
"""Reasons with which a container has run and ended."""


def lines(status: Json) -> Iterator[str]:
    """Yield the lines for the diagnostics of a lab's status document."""
    for each in status["diagnostics"]:
        yield each["text"]
        field = each["origin"].partition("#")[2]
        hint = ": ".join(part for part in (field, each["remedy"]) if part)
        if hint:
            yield f"  {hint}"


def pod_lines(status: Json, last_lines: LastLines = lambda _pod: ()) -> Iterator[str]:
    """Yield lines for every pod that is not ready: its reason; of a container that ends again and
    again its exit code, its last lines, and how to read the rest."""
    for pod in status["pods"]:
        if pod["ready"]:
            continue
        yield f"pod {pod['namespace']}/{pod['name']}: {_why(pod)}"
        if _crashes(pod):
            yield from (f"    | {screen.visible(line)}" for line in last_lines(pod))
            yield f"    {_log_command(pod)}"


def _crashes(pod: Json) -> bool:
    return bool(pod.get("container")) and pod["reason"] in _CRASHED


def _why(pod: Json) -> str:
    if _crashes(pod) and (code := pod.get("exit_code")) is not None:
        times = pod["restarts"]
        again = f", started again {times} time{'s' * (times != 1)}" if times else ""
        return f"{pod['reason']}: container {pod['container']} {ending(code)}{again}"
    reason = ": ".join(part for part in (pod["reason"], pod["message"]) if part)
    return reason or "not ready yet"


def ending(code: int) -> str:
    """Return how a container ended, in words: 128 and a signal's number is that signal."""
    try:
        by = f": killed by {signal.Signals(code - 128).name}" if code > 128 else ""
    except ValueError:
        by = ""
    return f"ended with exit code {code}{by}"


def _log_command(pod: Json) -> str:
    home = "" if pod["namespace"] == "default" else f" -n {pod['namespace']}"
    return f"`lateen logs {pod['name']}{home} -c {pod['container']} --previous` shows all of it"


def proxy_lines(status: Json) -> Iterator[str]:
    """Yield a line for every configuration that a proxy rejected."""
    for proxy in status["proxies"]:
        for problem in proxy["problems"]:
            yield f"proxy {proxy['proxy']}: {problem}"


def reaches(status: Json, threshold: str) -> bool:
    """Whether a diagnostic is at or above a level of `LEVELS`, in any case of letters."""
    least = [level.lower() for level in LEVELS].index(threshold.lower())
    return any(LEVELS.index(each["level"]) >= least for each in status["diagnostics"])


def complain(status: Json, last_lines: LastLines, *, complete: bool) -> None:
    """Write diagnostics to stderr and, if the mesh is not complete, what it waits for."""
    if not complete:
        for line in (*pod_lines(status, last_lines), *proxy_lines(status)):
            exits.complain(f"  {line}")
    for line in lines(status):
        exits.complain(line)
