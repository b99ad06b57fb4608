"""Real namespaces for tests: a lab's root and pods, made by threads of the test process."""

import ctypes
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lateen.node import permission
from lateen.node.net import addressing, netlink, network
from lateen.node.shim import enter


def _new_namespace(prepare: Callable[[], None]) -> int:
    """Make a network namespace, run `prepare` in it, and return its descriptor."""
    made: list[int] = []
    trouble: list[Exception] = []

    def visit() -> None:
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:
                raise OSError(ctypes.get_errno(), "unshare")
            prepare()
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        except OSError as error:
            trouble.append(error)

    thread = threading.Thread(target=visit)
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return made[0]


class Namespaces:
    """Makes namespaces, and closes them and the listening sockets at the end."""

    def __init__(self) -> None:
        self._fds: list[int] = []
        self._listeners: list[socket.socket] = []

    def make(self, prepare: Callable[[], None] = lambda: None) -> int:
        """Return the descriptor of a new network namespace."""
        self._fds.append(_new_namespace(prepare))
        return self._fds[-1]

    def serve(
        self,
        fd: int,
        port: int,
        answer: Callable[[socket.socket, tuple[str, int]], str],
        address: str = "0.0.0.0",
    ) -> None:
        """Listen in a namespace; each connection gets `answer(connection, peer)` and is closed."""

        def listen() -> socket.socket:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            sock.listen(64)
            return sock

        listener = netlink.inside(fd, listen)
        self._listeners.append(listener)

        def accept() -> None:
            while True:
                try:
                    connection, peer = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(answer(connection, peer).encode())

        threading.Thread(target=accept, daemon=True).start()

    def close(self) -> None:
        """Close everything; the kernel then removes the namespaces."""
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for fd in self._fds:
            os.close(fd)


class Lab:
    """A lab's root namespace with its network, and pods."""

    def __init__(self, namespaces: Namespaces, plan: addressing.Plan) -> None:
        self.namespaces = namespaces
        self.root = namespaces.make(enter.prepare_network)
        self.net = netlink.inside(self.root, lambda: network.LabNetwork(plan))

    def pod(self, uid: str) -> tuple[int, str]:
        """Make a pod and return its namespace and address."""
        fd = self.namespaces.make()
        ip = self.net.address(uid)
        self.net.attach(uid, ip, fd)
        return fd, ip


def fetch(
    fd: int, address: str, port: int, *, source: str = "", mark: int = 0, timeout: float = 5
) -> str:
    """Connect from a namespace and return what is sent until the end. Raises OSError."""

    def connect() -> str:
        with socket.socket() as sock:
            sock.settimeout(timeout)
            if mark:
                sock.setsockopt(socket.SOL_SOCKET, 36, mark)
            if source:
                sock.bind((source, 0))
            sock.connect((address, port))
            data = b""
            while part := sock.recv(1000):
                data += part
            return data.decode()

    return netlink.inside(fd, connect)


@pytest.fixture(name="fetch")
def _fetch() -> Callable[..., str]:
    return fetch


@pytest.fixture
def namespaces() -> Iterator[Namespaces]:
    if not permission.may_administer():
        pytest.skip(
            "needs CAP_NET_ADMIN and CAP_SYS_ADMIN: run it through"
            " `python -m lateen.node.shim.enter`, as test_network_unprivileged does"
        )
    made = Namespaces()
    yield made
    made.close()


@pytest.fixture
def make_lab(namespaces: Namespaces) -> Callable[..., Lab]:
    """Make a lab with a plan of addresses."""

    def make(**plan: Any) -> Lab:
        return Lab(namespaces, addressing.Plan(**plan))

    return make


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    return make_lab()
