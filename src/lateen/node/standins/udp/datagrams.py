"""A socket that answers datagrams one by one."""

import socket
from collections.abc import Callable

Answer = Callable[[bytes, tuple[str, int]], bytes]


def serve_udp(port: int, answer: Answer) -> int:
    """Serve a port until killed; an empty answer is none. Raises OSError."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", port))
        while True:
            try:
                data, peer = server.recvfrom(65535)
                told = answer(data, (peer[0].removeprefix("::ffff:"), peer[1]))
                if told:
                    server.sendto(told, peer)
            except OSError:  # a client that is gone: its refusal arrives as an error here
                continue
