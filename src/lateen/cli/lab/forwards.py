"""Ports of a process of `lateen run` on this machine's loopback address: for a debugger.

What connects here arrives at the loopback address of the process's pod, beside its sidecar, as by
`kubectl port-forward`. Each connection asks for the pod that is the newest then.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Sequence

from lateen.app.lab.lab import LabError, Running
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.connection.channel import Channel
from lateen.model.client import ApiError

_DATA, _ERRORS = 0, 1
_CHUNK = 64 * 1024
_PORTS = re.compile(r"(?:([0-9]{1,5}):)?([0-9]{1,5})")
_HERE = "127.0.0.1"


def parse(word: str) -> tuple[int, int]:
    """Return the port of this machine and the pod's of `PORT` or `HERE:PORT`; 0 here: any that is
    free. Raises LabError."""
    found = _PORTS.fullmatch(word)
    here, port = (int(found[1] or found[2]), int(found[2])) if found else (0, 0)
    if not 0 < port < 1 << 16 or here >= 1 << 16:
        raise LabError(f"--forward {word}: use PORT or HERE:PORT, as in 5678", exits.USAGE)
    return here, port


class Forwards:
    """Listens until the command ends. `pod` names the pod to connect to; empty: there is none."""

    def __init__(
        self, running: Running, namespace: str, pod: Callable[[], str], wanted: Sequence[str]
    ) -> None:
        """Raises LabError for ports that are no ports or are taken."""
        self._running, self._namespace, self._pod = running, namespace, pod
        self.lines: list[str] = []
        """What is told of each."""
        for here, port in map(parse, wanted):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((_HERE, here))
                listener.listen()
            except OSError as error:
                raise LabError(
                    f"--forward {here}: {error.strerror}: use another, --forward HERE:{port}",
                    exits.FAILED,
                ) from error
            self.lines.append(f"{_HERE}:{listener.getsockname()[1]} leads to its port {port}")
            threading.Thread(target=self._serve, args=(listener, port), daemon=True).start()

    def _serve(self, listener: socket.socket, port: int) -> None:
        while True:
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                threading.Thread(target=self._pass, args=(client, port), daemon=True).start()

    def _pass(self, client: socket.socket, port: int) -> None:
        """Pass on one connection, until either side ends it."""
        with client, contextlib.suppress(ApiError, LabError, OSError):
            token = lab_api.Api.of(self._running).token
            path = f"/api/v1/namespaces/{self._namespace}/pods/{self._pod()}/portforward"
            target = f"{path}?ports={port}"
            opened = Channel.of_lab(self._running.paths.api_socket, target, token)
            with opened as channel:
                threading.Thread(target=_upstream, args=(client, channel), daemon=True).start()
                try:
                    _downstream(client, channel)
                finally:  # closing alone would leave it open for who still reads of it
                    client.shutdown(socket.SHUT_RDWR)


def _upstream(client: socket.socket, channel: Channel) -> None:
    with contextlib.suppress(OSError):
        while data := client.recv(_CHUNK):
            channel.send(bytes([_DATA]) + data)
    channel.end()


def _downstream(client: socket.socket, channel: Channel) -> None:
    """Pass on what comes: each of the two channels begins with the port's number."""
    begun = set[int]()
    for message in channel:
        if message[0] not in begun:
            begun.add(message[0])
        elif message[0] == _ERRORS:
            return  # nobody listens there
        else:
            client.sendall(message[1:])
