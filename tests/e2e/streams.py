"""A steady stream of requests, so that a change shows what it does to those under way."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What one request got; `status` 0 is no answer at all."""

    at: float
    path: str
    status: int
    text: str


@dataclass
class Stream:
    """Requests at a steady rate: one connection kept open, and one opened for every request."""

    url: str
    path: str
    answers: list[Answer] = field(default_factory=list)
    _stopping: bool = False

    def _once(self, connection: http.client.HTTPConnection) -> None:
        began = time.monotonic()
        try:
            connection.request("GET", self.path)
            response = connection.getresponse()
            answer = Answer(began, self.path, response.status, response.read().decode())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            answer = Answer(began, self.path, 0, repr(error))
        self.answers.append(answer)

    def run(self, interval: float, keep: bool) -> None:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
        while not self._stopping:
            due = time.monotonic() + interval
            self._once(connection)
            if not keep:
                connection.close()
            time.sleep(max(0.0, due - time.monotonic()))
        connection.close()

    def failures(self) -> list[Answer]:
        return [a for a in self.answers if a.status != 200]

    def stop(self) -> None:
        self._stopping = True


@contextmanager
def steady(url: str, *paths: str, interval: float = 0.01) -> Iterator[list[Stream]]:
    """Send requests to each path while the body runs; every stream holds what came back."""
    streams = [Stream(url, path) for path in paths]
    threads = [
        threading.Thread(target=stream.run, args=(interval, keep), daemon=True)
        for stream in streams
        for keep in (True, False)
    ]
    for thread in threads:
        thread.start()
    try:
        yield streams
    finally:
        for stream in streams:
            stream.stop()
        for thread in threads:
            thread.join(15)
