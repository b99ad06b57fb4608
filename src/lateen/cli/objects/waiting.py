"""Waiting for the mesh to have taken what was sent."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lateen.app.lab.lab import LabError, Running
from lateen.cli.connection import api as lab_api
from lateen.cli.objects import applying
from lateen.cli.terminal import screen
from lateen.model.labapi import contract

_PAUSE = 0.025
"""Seconds between two looks; looking more often takes CPU from the pods that are waited for."""
_ENDING = 1.0
"""Seconds that a supervisor has between its API server's end and its own."""


@contextlib.contextmanager
def starting(running: Running, alive: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
    """Say why a lab ended while it started, where a command would say that it does not answer.

    The API server may have answered before another part of the lab found that it cannot work here,
    whereupon the supervisor ends all of them, the API server first.
    """
    try:
        yield alive
    except lab_api.NoAnswer as error:
        limit = time.monotonic() + _ENDING
        while alive():
            if time.monotonic() > limit:
                raise
            time.sleep(_PAUSE)
        raise _failed(running) from error


def _failed(running: Running) -> LabError:
    return LabError(f"the lab could not start:\n{last_words(running)}")


def await_server(running: Running, deadline: float, alive: Callable[[], bool]) -> lab_api.Api:
    """Return a connection as soon as the API server answers.

    Raises LabError when the lab's supervisor ends first, with the end of the log that says why.
    """
    api = lab_api.Api.of(running)
    while True:
        if running.paths.api_socket.exists() and running.paths.admin_token.exists():
            try:
                api.request("GET", "/readyz")
                return api
            except LabError:
                pass
        if not alive():
            raise _failed(running)
        if time.monotonic() > deadline:
            raise LabError(f"the API server did not answer in time:\n{last_words(running)}")
        time.sleep(0.004)


def last_words(running: Running) -> str:
    """Return the last lines of the lab's process logs."""
    lines: list[str] = []
    for name in ("node.log", "plane.log", "supervisor.log"):
        path = running.paths.logs / name
        if path.exists() and not (lines and name == "supervisor.log"):
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            lines += [f"  {line}" for line in text.splitlines()[-4:]]
    return "\n".join(lines) or "  it left no message"


def summary(status: dict[str, Any]) -> str:
    """Return one line: how many pods are ready and proxies are in step, and whether the node's
    rules of Services are behind."""
    pods, proxies = status["pods"], status["proxies"]
    ready = sum(1 for pod in pods if pod["ready"])
    synced = sum(1 for proxy in proxies if proxy["synced"])
    behind = "" if status.get("ruled", True) else ", Services not yet in the node's rules"
    return f"pods ready {ready}/{len(pods)}, proxies in step {synced}/{len(proxies)}{behind}"


def unready(status: dict[str, Any]) -> frozenset[str]:
    """Return the uids of the pods that are not ready."""
    return frozenset(pod["uid"] for pod in status["pods"] if not pod["ready"])


def settled(status: dict[str, Any], revision: int, besides: frozenset[str] = frozenset()) -> bool:
    """Whether all that was written up to a revision is compiled, acknowledged and ready, besides
    some pods (by uid) that nobody waits for."""
    return (
        status["revision"] >= revision
        and bool(status["pods"])
        and unready(status) <= besides
        and all(proxy["synced"] for proxy in status["proxies"])
        and not status["pending"]
    )


def await_settled(
    api: lab_api.Api,
    revision: int,
    deadline: float,
    show: Callable[[str], None],
    besides: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Return the lab's status once it is settled, or what it is at the deadline."""
    while True:
        status: dict[str, Any] = api.ask(contract.STATUS)
        show(summary(status))
        if (
            settled(status, revision, besides)
            or hopeless(status, besides)
            or time.monotonic() > deadline
        ):
            return status
        time.sleep(_PAUSE)


def hopeless(status: dict[str, Any], besides: frozenset[str] = frozenset()) -> bool:
    """Whether all pods that are not ready, besides some that nobody waits for, wait for something
    that only a person can give them, and there is one."""
    unready = [pod for pod in status["pods"] if not pod["ready"] and pod["uid"] not in besides]
    return bool(unready) and all(_stuck(pod) for pod in unready)


def _stuck(pod: dict[str, Any]) -> bool:
    """A container that ended a few times may have waited for another pod; not much longer."""
    crashes = pod["reason"] == "CrashLoopBackOff" and pod.get("restarts", 0) >= _CRASHES
    return crashes or pod["reason"] in _FINAL


_CRASHES = 2
"""After so many new starts nobody waits for a container any more."""
_FINAL = frozenset(
    (
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
    )
)
"""What waiting does not help against."""


def apply_and_say(
    api: lab_api.Api,
    batches: Sequence[applying.Batch],
    progress: screen.Progress,
    *,
    quiet: bool = False,
    unchanged: bool = True,
) -> int:
    """Apply manifests, print a line for each (without `unchanged` for what changes), and return
    the revision to wait for."""
    for item, verb in applying.apply_all(api, batches):
        shown = unchanged or verb != "unchanged"
        if shown and not quiet and not item.stands_in:
            progress.clear()
            sys.stdout.write(f"{applying.qualified(item)} {verb}\n")
    sys.stdout.flush()
    return int(api.ask(contract.STATUS)["written"])
