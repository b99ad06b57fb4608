"""Answers every line that comes over TCP with a word before it, as Istio's tcp-echo-server does.

python -m lateen.node.standins.tcpecho PORT[,PORT…] PREFIX
"""

import socket
import sys
import threading


def _serve(connection: socket.socket, prefix: str) -> None:
    with connection, connection.makefile("rb") as lines:
        try:
            for line in lines:
                connection.sendall(f"{prefix} ".encode() + line)
        except OSError:
            return


def _listen(listener: socket.socket, prefix: str) -> None:
    while True:
        connection, peer = listener.accept()
        sys.stdout.write(f"connection from {peer[0]}:{peer[1]}\n")
        sys.stdout.flush()
        threading.Thread(target=_serve, args=(connection, prefix), daemon=True).start()


def main(arguments: list[str]) -> int:
    """Serve the ports until killed."""
    if len(arguments) < 2:
        sys.stderr.write("usage: tcp-echo PORT[,PORT...] PREFIX\n")
        return 1
    threads = []
    for port in arguments[0].split(","):
        listener = socket.create_server(("", int(port)), backlog=128)
        sys.stdout.write(f"listening on [::]:{port}, prefix: {arguments[1]}\n")
        sys.stdout.flush()
        thread = threading.Thread(target=_listen, args=(listener, arguments[1]), daemon=True)
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
