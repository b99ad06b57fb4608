"""Answers every line that comes over TCP with a word before it, as Istio's tcp-echo-server does.

python -m lateen.node.standins.tcp.echo PORT[,PORT…] PREFIX
"""

import functools
import socket
import sys
import threading
from collections.abc import Callable

Serve = Callable[[socket.socket], None]


def say(text: str) -> None:
    """Write a line of the server's log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def serve_tcp(port: int, serve: Serve) -> int:
    """Serve a port until killed, a thread per connection; what a client does wrong ends its
    connection."""
    try:
        listener = socket.create_server(("", port), backlog=128)
    except OSError as error:
        sys.stderr.write(f"failed to create listener, err: {error}\n")
        return 1
    say(f"listening on [::]:{port}")
    _accept(listener, serve)
    return 0


def _accept(listener: socket.socket, serve: Serve) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_guarded, args=(connection, serve), daemon=True).start()


def _guarded(connection: socket.socket, serve: Serve) -> None:
    with connection:
        try:
            serve(connection)
        except (OSError, EOFError, ValueError, IndexError):
            return


def _echo(prefix: str, connection: socket.socket) -> None:
    with connection.makefile("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            text = line.decode("utf-8", "replace").rstrip("\n")
            say(f"request: {text}")
            say(f"response: {prefix} {text}")
            connection.sendall(f"{prefix} ".encode() + line)


def main(arguments: list[str]) -> int:
    """Serve the ports until killed."""
    if len(arguments) < 2:
        sys.stderr.write("usage: tcp-echo PORT[,PORT...] PREFIX\n")
        return 1
    ports, prefix = arguments[0], arguments[1]
    threads = []
    for port in ports.split(","):
        listener = socket.create_server(("", int(port)), backlog=128)
        say(f"listening on [::]:{port}, prefix: {prefix}")
        echo = functools.partial(_echo, prefix)
        threads.append(threading.Thread(target=_accept, args=(listener, echo), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
