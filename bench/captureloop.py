"""python -m bench.captureloop RATE SECONDS: exchanges on a loopback, captured or not.

Runs in a network namespace of its own. The traffic is another process's, as it is in a lab.
Prints a JSON list with one object per mode.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lateen.cli.traffic.capturefile import CaptureFile
from lateen.observe.packets import bpf, capture
from lateen.observe.packets.capture_ring import Frame, Ring
from lateen.observe.packets.flows import Narrator
from lateen.observe.wire import frames

ASK = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
POD = "bench/loopback"


def exchanges(rate: int, seconds: float) -> int:
    """Do so many requests a second, in bursts of a millisecond; returns how many were done."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    for each in (client, server):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    done, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        if done >= passed * rate:
            time.sleep(0.001)
            continue
        client.sendall(ASK)
        server.recv(4096)
        server.sendall(ANSWER)
        client.recv(4096)
        done += 1
    return done


def packets() -> socket.socket:
    """Return a packet socket that sees the loopback."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(capture.ETH_P_ALL))
    made.setblocking(False)
    return made


class Lines:
    """Tells flows as `lateen capture` prints them, to nobody."""

    def __init__(self) -> None:
        self.packets = 0
        self.told = 0
        self._narrator = Narrator(POD, "127.0.0.1")

    def write(self, batch: list[tuple[str, Frame]]) -> None:
        """Take frames."""
        self.packets += len(batch)
        for _, frame in batch:
            segment = frames.segment(frame.data, frame.time / 1e9)
            for flow in self._narrator.take(segment, frame.leg) if segment else ():
                self.told += len(flow.text) > 0


def measured(mode: str, rate: str, seconds: str) -> dict[str, Any]:
    """Run the traffic in another process while this one captures."""
    ring = Ring(packets(), ring_bytes=64 << 20) if mode in ("lines", "file") else None
    standing = packets()
    capture.attach(standing, bpf.OPENING if mode == "opening" else bpf.NOTHING)
    path = Path(os.environ.get("BENCH_SCRATCH", "/tmp")) / "loop.pcapng"
    argv = [sys.executable, "-m", "bench.captureloop", "traffic", rate, seconds]
    before = time.process_time()
    with (
        CaptureFile(str(path), [POD], ("lo",)) as written,
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as traffic,
    ):
        file = Lines() if mode == "lines" else written
        while ring is not None and traffic.poll() is None:
            file.write([(POD, frame) for frame in ring.read()])
            time.sleep(0.005)
        said = traffic.communicate()[0]
        if ring is not None:
            time.sleep(0.1)
            file.write([(POD, frame) for frame in ring.read(ring.blocks)])
    used = time.process_time() - before
    lost = ring.count_lost() if ring is not None else capture.statistics(standing)[1]
    standing.close()
    if ring is not None:
        ring.close()
    done = int(said)
    return {
        "mode": mode,
        "rate": done / float(seconds),
        "packets": file.packets,
        "lost": lost,
        "cpu": used,
    }


def main(arguments: list[str]) -> None:
    """Measure every mode, or be the traffic."""
    if arguments[0] == "traffic":
        print(exchanges(int(arguments[1]), float(arguments[2])))
        return
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    print(json.dumps([measured(mode, *arguments) for mode in ("off", "opening", "lines", "file")]))


if __name__ == "__main__":
    main(sys.argv[1:])
