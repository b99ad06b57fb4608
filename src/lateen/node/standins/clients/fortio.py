"""A small fortio: `curl` and `load` over HTTP/1.1, with fortio's flags and its summary.

    python -m lateen.node.standins.clients.fortio (load|curl) [-flag [value]]… URL

People read how many answers had which code: that, the sockets and the times are printed as fortio
prints them.
"""

import http.client
import os
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from typing import NamedTuple
from urllib.parse import urlsplit

from lateen.node.standins import goserver

_SWITCHES = frozenset({
    "quiet", "k", "stdclient", "json", "allow-initial-errors", "uniform", "nocatchup", "jitter",
    "L", "a", "h2", "sequential-warmup", "logger-force-color", "keepalive", "http1.0",
})  # fmt: skip
_VERSION = "1.60.3"
_FAILED = -1
"""The code under which fortio counts what had no answer."""


class Flags(NamedTuple):
    """What the command line says."""

    values: dict[str, str]
    headers: tuple[tuple[str, str], ...]
    url: str

    def number(self, name: str, default: float) -> float:
        """Return a flag's number. Raises ValueError."""
        return float(self.values.get(name, default))


def parse(words: list[str]) -> Flags:
    """Read flags as Go does: `-c 3`, `-c=3`, `--c 3`; the first other word is the URL."""
    values: dict[str, str] = {}
    headers: list[tuple[str, str]] = []
    url, index = "", 0
    while index < len(words):
        word = words[index]
        index += 1
        if not word.startswith("-"):
            url = url or word
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if name in _SWITCHES:
            values[name] = value if equals else "true"
            continue
        if not equals and index < len(words):
            value = words[index]
            index += 1
        if name == "H":
            key, _, text = value.partition(":")
            headers.append((key.strip(), text.strip()))
        values[name] = value
    if url and "://" not in url:
        url = f"http://{url}"
    return Flags(values, tuple(headers), url)


def duration(text: str, default: float) -> float:
    """Return the seconds of a Go duration; the default for none, and for what is none."""
    try:
        return goserver.seconds(text) or default
    except ValueError:
        return default


class Client:
    """One connection, opened anew when it was closed or an answer was no success."""

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._parts = urlsplit(flags.url)
        self._patience = duration(flags.values.get("timeout", ""), 3.0)
        self._connection: http.client.HTTPConnection | None = None
        self.sockets = 0
        self.peers: Counter[str] = Counter()

    def ask(self) -> tuple[int, bytes, bytes]:
        """Send the request; return code, head and body. Code -1 stands for no answer."""
        try:
            connection = self._connected()
            given = dict(self._flags.headers)
            payload = self._flags.values.get("payload", "").encode() or None
            target = (self._parts.path or "/") + (
                f"?{self._parts.query}" if self._parts.query else ""
            )
            method = self._flags.values.get("X") or ("POST" if payload else "GET")
            agent = {"User-Agent": f"fortio.org/fortio-{_VERSION}"}
            connection.request(method, target, payload, {**agent, **given})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return _FAILED, b"", str(error).encode()
        lines = [f"HTTP/{answer.version / 10:.1f} {answer.status} {answer.reason}"]
        lines += [f"{name}: {value}" for name, value in answer.getheaders()]
        head = "\r\n".join((*lines, "", "")).encode("latin-1", "replace")
        if (
            answer.status != 200
            or answer.will_close
            or self._flags.values.get("keepalive") == "false"
        ):
            self.close()
        return answer.status, head, body

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is not None:
            return self._connection
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            if "k" in self._flags.values:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=self._patience, context=context
            )
        else:
            made = http.client.HTTPConnection(host, port, timeout=self._patience)
        made.connect()
        made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = made.sock.getpeername()
        self.peers[f"{peer[0]}:{peer[1]}"] += 1
        self.sockets += 1
        self._connection = made
        return made

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Result(NamedTuple):
    """One call: its code, seconds, bytes of head, and of head and body."""

    code: int
    took: float
    head: int
    size: int


class Load:
    """Calls by several threads, at a rate or as fast as they go."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.threads = max(1, int(flags.number("c", 4)))
        self.calls = int(flags.number("n", 0))
        self.rate = flags.number("qps", 8.0)
        self.seconds = duration(flags.values.get("t", ""), 5.0)
        if not self.calls and self.rate > 0:
            self.calls = max(self.threads, int(self.rate * self.seconds))
        self.results: list[Result] = []
        self.sockets = 0
        self.peers: Counter[str] = Counter()
        self._lock = threading.Lock()

    def run(self) -> float:
        """Make the calls; return how many seconds that took."""
        begun = time.monotonic()
        share, more = divmod(self.calls, self.threads)
        workers = [
            threading.Thread(target=self._work, args=(begun, share + (number < more)))
            for number in range(self.threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return time.monotonic() - begun

    def _work(self, begun: float, calls: int) -> None:
        client, found = Client(self.flags), list[Result]()
        each = self.threads / self.rate if self.rate > 0 else 0.0
        while len(found) < calls if self.calls else time.monotonic() - begun < self.seconds:
            if each:
                time.sleep(max(0.0, begun + len(found) * each - time.monotonic()))
            start = time.monotonic()
            code, head, body = client.ask()
            took = time.monotonic() - start
            found.append(Result(code, took, len(head), len(head) + len(body)))
        client.close()
        with self._lock:
            self.results += found
            self.sockets += client.sockets
            self.peers += client.peers


def summary(load: Load, took: float) -> str:
    """Return what fortio prints at the end."""
    count = len(load.results)
    codes = Counter(one.code for one in load.results)
    good = codes.get(200, 0)
    times = sorted(one.took for one in load.results)
    lines = [
        f"Ended after {took * 1000:.6g}ms : {count} calls. qps={count / took:.5g}",
        f"Aggregated Function Time : {_spread(times, 9)}",
    ]
    for percent in (50, 75, 90, 99, 99.9):
        at = times[min(count - 1, int(count * percent / 100))] if times else 0.0
        lines.append(f"# target {percent:g}% {at:.9g}")
    lines += [
        f"Error cases : count {count - good}",
        f"Sockets used: {load.sockets} (for perfect keepalive, would be {load.threads})",
        "IP addresses distribution:",
        *(f"{peer}: {number}" for peer, number in load.peers.most_common()),
        *(
            f"Code {code:3d} : {number} ({100 * number / count:.1f} %)"
            for code, number in sorted(codes.items())
        ),
        f"Response Header Sizes : {_spread([one.head for one in load.results], 5)}",
        f"Response Body/Total Sizes : {_spread([one.size for one in load.results], 5)}",
        f"All done {count} calls (plus 0 warmup) {1000 * sum(times) / max(count, 1):.3f} ms avg,"
        f" {count / took:.1f} qps",
    ]
    return "\n".join(lines)


def _spread(values: "list[float] | list[int]", digits: int) -> str:
    count = len(values)
    if not count:
        return "count 0"
    mean = sum(values) / count
    deviation = (sum((value - mean) ** 2 for value in values) / count) ** 0.5
    low, high, total = min(values), max(values), sum(values)
    return (
        f"count {count} avg {mean:.{digits}g} +/- {deviation:.4g} min {low:.{digits}g}"
        f" max {high:.{digits}g} sum {total:.{digits}g}"
    )


def main(argv: list[str]) -> int:
    """Run one command of fortio's."""
    command, flags = (argv[1] if argv[1:] else ""), parse(argv[2:])
    if command == "version":
        sys.stdout.write(f"{_VERSION}\n")
        return 0
    if command not in ("load", "curl") or not flags.url:
        sys.stderr.write(
            "usage: fortio (load|curl) [flags] URL: this stand-in of Lateen has no other command\n"
        )
        return 1
    try:
        return _curl(flags) if command == "curl" else _load(flags)
    except ValueError as error:
        sys.stderr.write(f"fortio: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 1


def _curl(flags: Flags) -> int:
    code, head, body = Client(flags).ask()
    if code == _FAILED:
        sys.stderr.write(f"Unable to connect to {flags.url}: {body.decode()}\n")
        return 1
    os.write(1, head + body)
    return 0 if 200 <= code < 400 else 1


def _load(flags: Flags) -> int:
    load = Load(flags)
    calls = f"for {load.calls} calls" if load.calls else f"for {load.seconds:g}s"
    rate = f"{load.rate:g}" if load.rate > 0 else "max"
    sys.stdout.write(
        f"Fortio {_VERSION} running at {rate} queries per second, {os.cpu_count()}->"
        f"{os.cpu_count()} procs, {calls}: {flags.url}\n"
    )
    sys.stdout.flush()
    sys.stdout.write(f"{summary(load, load.run())}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
