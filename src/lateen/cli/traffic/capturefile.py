"""The pcapng file of a capture: an interface per pod and leg, keys if wanted, loss told."""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from lateen.app.lab.lab import LabError
from lateen.observe.packets import keylog, pcapng
from lateen.observe.packets.capture_ring import Frame

_COMMENTS = {
    "eth0": "the wire of {pod}: what travels between pods",
    "lo": "inside {pod}: between its proxy and its application, plaintext by design",
}
_FLUSH_SECONDS = 2.0
"""How long to wait for the keys of the last handshakes to be written."""


class CaptureFile:
    """A file being written. Its mode is 0600: what travelled may be secret."""

    def __init__(
        self,
        path: str,
        pods: Sequence[str],
        legs: Sequence[str],
        keys: Sequence[keylog.Reader] = (),
    ) -> None:
        """Open it; `-` is standard output. Raises OSError."""
        self.packets = 0
        self._path = path
        self._out = _opened(path)
        self._keys = keys
        self._numbers: dict[tuple[str, str], int] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._head = pcapng.section("lateen capture", "captured by lateen in " + ", ".join(pods))
        self._out.write(self._head)
        for pod in pods:
            for leg in legs:
                self._numbers[pod, leg] = len(self._numbers)
                self._counts[pod, leg] = 0
                name = f"{pod} {'wire' if leg == 'eth0' else 'app'}"
                told = _COMMENTS[leg].format(pod=pod)
                self._out.write(pcapng.interface(name, leg, told))
        self._out.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._out.flush()
        if self._path != "-":
            self._out.close()

    def write(self, batch: Sequence[tuple[str, Frame]], limit: int = 0) -> bool:
        """Append frames; returns whether there are as many as `limit` (0 is no limit)."""
        if not batch:
            return False
        if self._path == "-":
            self._write_keys()
        blocks = []
        for pod, frame in batch:
            if limit and self.packets >= limit:
                break
            number = self._numbers.get((pod, frame.leg))
            if number is None:
                continue
            self.packets += 1
            self._counts[pod, frame.leg] += 1
            blocks.append(pcapng.packet(number, frame.time, frame.data, frame.length))
        self._out.write(b"".join(blocks))
        if self._path == "-":
            self._out.flush()
        return bool(limit) and self.packets >= limit

    def _write_keys(self) -> None:
        for reader in self._keys:
            if lines := reader.read():
                self._out.write(pcapng.secrets(lines))

    def finish(self, lost: dict[str, int]) -> None:
        """Write the statistics, and the keys: those must stand before what they open, so that
        the file is written anew around them."""
        now = time.time_ns()
        for (pod, leg), number in self._numbers.items():
            dropped = lost.get(pod, 0)
            self._out.write(pcapng.statistics(number, now, self._counts[pod, leg], dropped))
        if not self._keys:
            return
        if self._path == "-":
            self._write_keys()
            return
        self._out.flush()
        time.sleep(_FLUSH_SECONDS)
        lines = b"".join(reader.read() for reader in self._keys)
        scratch = self._path + ".keys"
        with _opened(scratch) as made, Path(self._path).open("rb") as old:
            made.write(self._head + pcapng.secrets(lines))
            old.seek(len(self._head))
            shutil.copyfileobj(old, made, 1 << 20)
        os.replace(scratch, self._path)


def keylog_readers(logs: Sequence[Path]) -> list[keylog.Reader]:
    """Return readers of the proxies' key logs, and warn. Raises LabError when there are none."""
    found = [path for path in logs if path.exists()]
    if not found:
        raise LabError(
            "the proxies log no keys: set `keyLog: true` in lateen.yaml, then `lateen down` and "
            "`lateen up`"
        )
    sys.stderr.write(
        "warning: with --keys whoever has the file can read what was encrypted in it\n"
    )
    return [keylog.Reader(path) for path in found]


def _opened(path: str) -> BinaryIO:
    if path == "-":
        return sys.stdout.buffer
    made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(made, 0o600)
    return os.fdopen(made, "wb", buffering=1 << 20)
