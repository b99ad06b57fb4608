"""One HTTP request by hand: light enough for the floor."""

import socket
import time


def ask(host: str, port: int, path: str, patience: float = 0.5) -> int:
    """Send one request and return the status code, 0 for none (after a millisecond's pause)."""
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode()
    try:
        with socket.create_connection((host, port), patience) as connection:
            connection.sendall(request)
            head = connection.recv(4096).split(b" ", 2)
            if len(head) > 1:
                return int(head[1])
    except (OSError, ValueError):
        pass
    time.sleep(0.001)
    return 0
