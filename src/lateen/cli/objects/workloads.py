"""exec: a command in a container; and which pod a person means."""

import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import sys
import termios
import threading
import tty
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from lateen.app.lab.lab import LabError, Running
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.objects import getting
from lateen.model import wellknown
from lateen.model.schema import kinds

_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255


def pod_named(api: lab_api.Api, word: str, namespace: str) -> dict[str, Any]:
    """Return the pod that `POD`, `pod/NAME` or `deploy/NAME` (svc, rs, sts …) means.

    A workload or Service gives its first ready pod. Raises LabError when it has none.
    """
    kind, slash, name = word.rpartition("/")
    info = getting.kind_named(api, kind) if slash else kinds.KINDS["pods"]
    found: dict[str, Any] = api.request("GET", lab_api.object_path(info, namespace, name)).body
    if info.resource == "pods":
        return found
    selector = found["spec"].get("selector") or {}
    labels = selector.get("matchLabels", selector)
    query = {"labelSelector": ",".join(f"{k}={v}" for k, v in labels.items())}
    path = lab_api.collection_path(kinds.KINDS["pods"], namespace)
    pods = api.request("GET", path, query=query).body["items"] if labels else []
    alive = [p for p in pods if "deletionTimestamp" not in p["metadata"]]
    if not alive:
        raise LabError(f"{word} has no pods: see `lateen get pods -n {namespace}`")
    return max(alive, key=_readiness)


def _readiness(pod: dict[str, Any]) -> tuple[bool, str]:
    ready = wellknown.is_ready(pod.get("status", {}).get("conditions"))
    return ready, pod["metadata"]["name"]


def default_container(pod: Mapping[str, Any]) -> str:
    """Return the container that an annotation names, else the first that is not the proxy; of
    several it is told which, as kubectl does."""
    names = [c["name"] for c in pod["spec"]["containers"]]
    marked = pod["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/default-container")
    if marked in names:
        return str(marked)
    found = str(next((n for n in names if n != wellknown.PROXY), names[0]))
    for field, word in (("ephemeralContainers", "ephem"), ("initContainers", "init")):
        names += [f"{c['name']} ({word})" for c in pod["spec"].get(field) or ()]
    if len(names) > 1:
        exits.complain(f'Defaulted container "{found}" out of: {", ".join(names)}')
    return found


def run_in(
    running: Running,
    api: lab_api.Api,
    word: str,
    command: list[str],
    *,
    namespace: str,
    container: str,
    stdin: bool,
    terminal: bool,
) -> int:
    """Run a command in a container, over the API server's WebSocket; returns its exit code."""
    if not command:
        raise LabError("give the command after --, as in `lateen exec POD -- ls`", exits.USAGE)
    pod = pod_named(api, word, namespace)
    if terminal and not sys.stdin.isatty():
        exits.complain("Unable to use a TTY - input is not a terminal or the right kind of file")
        terminal = False
    query = [("container", container or default_container(pod)), ("stdout", "true")]
    query += [("stdin", "true")] * stdin + [("tty", "true")] * terminal
    query += [("stderr", "true")] * (not terminal) + [("command", word) for word in command]
    path = lab_api.object_path(kinds.KINDS["pods"], namespace, pod["metadata"]["name"])
    target = f"{path}/exec?{urlencode(query)}"
    from lateen.cli.connection.channel import Channel

    opened = Channel.of_lab(running.paths.api_socket, target, api.token)
    with opened as channel, _raw_terminal(terminal):
        if terminal:
            _follow_size(channel)
        if stdin:
            threading.Thread(target=_feed, args=(channel,), daemon=True).start()
        return _receive(channel)


@contextlib.contextmanager
def _raw_terminal(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _follow_size(channel: Any) -> None:
    def send(*_signal: object) -> None:
        packed = fcntl.ioctl(sys.stdin.fileno(), termios.TIOCGWINSZ, bytes(8))
        rows, columns, _, _ = struct.unpack("HHHH", packed)
        size = json.dumps({"Width": columns, "Height": rows}).encode()
        channel.send(bytes([_RESIZE]) + size)

    signal.signal(signal.SIGWINCH, send)
    send()


def _feed(channel: Any) -> None:
    fd = sys.stdin.fileno()
    with contextlib.suppress(Exception):  # the other side may end first: nothing to say
        while True:
            select.select([fd], [], [])
            data = os.read(fd, 32 * 1024)
            if not data:
                channel.send(bytes([_CLOSE, _STDIN]))
                return
            channel.send(bytes([_STDIN]) + data)


def _receive(channel: Any) -> int:
    code = exits.FAILED
    for message in channel:
        number, payload = message[0], message[1:]
        if number == _STDOUT:
            sys.stdout.buffer.write(payload)
            sys.stdout.buffer.flush()
        elif number == _STDERR:
            sys.stderr.buffer.write(payload)
            sys.stderr.buffer.flush()
        elif number == _ERROR:
            code = _exit_code(json.loads(payload))
    return code


def _exit_code(status: dict[str, Any]) -> int:
    if status.get("status") == "Success":
        return exits.OK
    for cause in status.get("details", {}).get("causes", []):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    exits.complain(f"error: {status.get('message', 'the command could not be run')}")
    return exits.FAILED
