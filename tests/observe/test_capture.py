"""Packet sockets and rings on a real kernel, in a network namespace of their own."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root for `unshare --net`"),
]

SCRIPT = """
import asyncio, fcntl, json, socket, struct
from lateen.observe.packets import bpf, capture
from lateen.observe.packets.capture_openings import Openings
from lateen.observe.packets.capture_ring import Ring
from lateen.observe.wire import frames, streams

def packets():
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(capture.ETH_P_ALL))
    made.setblocking(False)
    return made

def exchange(rounds, host="127.0.0.1", family=socket.AF_INET):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind((host, 0))
    listener.listen()
    client = socket.create_connection((host, listener.getsockname()[1]))
    server, _ = listener.accept()
    for number in range(rounds):
        client.sendall(b"GET /%d HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n" % number)
        server.recv(4096)
        server.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n")
        client.recv(4096)
    for each in (client, server, listener):
        each.close()

with socket.socket() as probe:  # as `ip link set lo up` does: SIOCSIFFLAGS, IFF_UP
    fcntl.ioctl(probe, 0x8914, struct.pack("16sh", b"lo", 1))
"""


def inside(body: str) -> dict[str, object]:
    """Run SCRIPT and `body`, which prints JSON, in a new network namespace."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", SCRIPT + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_tap_sees_each_segment_once_with_the_kernels_time() -> None:
    found = inside("""
        async def main():
            seen = []
            tap = capture.Tap(packets(), lambda segment, leg: seen.append((segment, leg)))
            before = len(seen)
            exchange(3)
            exchange(2, "::1", socket.AF_INET6)
            tap.close()
            made = streams.conversations(segment for segment, _ in seen)
            print(json.dumps({
                "legs": sorted({leg for _, leg in seen}), "before": before,
                "requests": [bytes(c.from_client.data).count(b"GET") for c in made],
                "again": [c.from_client.retransmitted for c in made],
                "ordered": [s.time for s, _ in seen] == sorted(s.time for s, _ in seen),
                "dropped": tap.dropped}))
        asyncio.run(main())
    """)
    assert found == {
        "legs": ["lo"],
        "before": 0,
        "requests": [3, 2],
        "again": [0, 0],
        "ordered": True,
        "dropped": 0,
    }


def test_an_opening_tap_leaves_requests_to_the_kernel() -> None:
    found = inside("""
        async def main():
            openings, count = Openings(), []
            def take(segment, leg):
                count.append(segment)
                openings.take("pod", leg, segment)
            tap = capture.Tap(packets(), take, program=bpf.OPENING)
            exchange(1000)
            tap.close()
            (seen,) = openings.since(0.0)
            print(json.dumps({"packets": len(count), "whole": seen.conversation.handshake,
                "payload": len(seen.conversation.from_client.data),
                "reading": openings.reading(str(seen.conversation.client), "")}))
        asyncio.run(main())
    """)
    assert found["whole"] is True
    assert isinstance(found["packets"], int)
    assert found["packets"] <= 5
    assert (found["payload"], found["reading"]) == (0, None)


def test_a_ring_gives_every_frame_and_its_length() -> None:
    found = inside("""
        import select
        ring = Ring(packets(), ring_bytes=8 << 20)
        exchange(2000)
        got = []
        while select.select([ring], [], [], 0.3)[0]:
            got += ring.read()
        segments = [frames.segment(f.data, f.time / 1e9) for f in got]
        (made,) = streams.conversations(s for s in segments if s)
        print(json.dumps({"requests": made.from_client.size, "missing": made.from_client.missing,
            "legs": sorted({f.leg for f in got}), "cut": sum(f.length != len(f.data) for f in got),
            "lost": ring.count_lost()}))
        ring.close()
    """)
    size = sum(len(f"GET /{n} HTTP/1.1\r\nhost: a\r\n\r\n") for n in range(2000))
    assert found == {"requests": size, "missing": False, "legs": ["lo"], "cut": 0, "lost": 0}


def test_what_a_full_ring_cannot_hold_is_counted() -> None:
    found = inside("""
        ring = Ring(packets(), ring_bytes=2 << 20)
        exchange(20000)
        kept = len(ring.read(100))
        lost = ring.count_lost()
        again = ring.count_lost()
        print(json.dumps({"kept": kept, "lost": lost, "again": again}))
    """)
    assert isinstance(found["lost"], int)
    assert isinstance(found["kept"], int)
    assert found["lost"] > 0
    assert found["kept"] > 0
    assert found["kept"] + found["lost"] >= 40000
    assert found["again"] == found["lost"]
