"""Asks an API server whether it lives, all the time, and tells the slowest answer when asked.

    python -m bench.prober SOCKET

A process of its own: in the benchmark's, the benchmark's own work would be measured. A line on its
input is answered with the slowest answer since the line before, in seconds.
"""

import select
import socket
import sys
import time

PAUSE = 0.002
REQUEST = b"GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n"


def ask(connection: socket.socket) -> float:
    """Return the seconds that one answer took."""
    began = time.perf_counter()
    connection.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"\r\n\r\nok"):
        part = connection.recv(4096)
        if not part:
            raise RuntimeError(f"the API server does not live: {answer!r}")
        answer += part
    return time.perf_counter() - began


def main(path: str) -> None:
    """Ask until the input ends."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        slowest = 0.0
        while True:
            slowest = max(slowest, ask(connection))
            if select.select([sys.stdin], [], [], PAUSE)[0]:
                if not sys.stdin.readline():
                    return
                sys.stdout.write(f"{slowest}\n")
                sys.stdout.flush()
                slowest = 0.0


if __name__ == "__main__":
    main(sys.argv[1])
