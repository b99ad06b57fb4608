"""The link to the host: its pool, its ledger, and nothing left after a kill at any moment."""

import errno
import ipaddress
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lateen.node.net import hostlink, ledger, netlink, rtnetlink
from lateen.node.shim import enter


def _networks(*texts: str) -> tuple[ipaddress.IPv4Network, ...]:
    return tuple(ipaddress.IPv4Network(text) for text in texts)


def test_a_lab_gets_the_same_pool_again_and_another_lab_another() -> None:
    first = hostlink.choose("default", ())
    assert hostlink.choose("default", ()) == first
    assert hostlink.choose("second", ()) != first
    assert ipaddress.IPv4Network(first.network).subnet_of(ipaddress.IPv4Network("172.28.0.0/14"))


@pytest.mark.parametrize(
    "used",
    [
        _networks("0.0.0.0/0"),
        _networks("172.16.0.0/12"),
        _networks("172.28.0.0/14", "192.168.0.0/17"),
        _networks("0.0.0.0/0", "172.28.0.0/16", "172.31.7.0/24", "192.168.1.0/24"),
    ],
    ids=str,
)
def test_a_pool_overlaps_nothing_in_use(used: tuple[ipaddress.IPv4Network, ...]) -> None:
    pool = hostlink.choose("default", used)
    network = ipaddress.IPv4Network(pool.network)
    assert not any(network.overlaps(each) for each in used if each.prefixlen)
    assert ipaddress.IPv4Address(pool.host_ip) in network
    assert ipaddress.IPv4Address(pool.lab_ip) not in ipaddress.IPv4Network(pool.balancers)
    assert ipaddress.IPv4Network(pool.balancers).subnet_of(network)


def test_a_host_without_a_free_network_is_told() -> None:
    with pytest.raises(hostlink.NoPool, match=r"172\.28\.0\.0/14 and 192\.168\.0\.0/16"):
        hostlink.choose("default", _networks("172.16.0.0/12", "192.168.0.0/16"))


def _host_state(fd: int) -> tuple[Any, ...]:
    with netlink.open_netlink(fd) as rt:
        return tuple((link.name, link.mac) for link in rtnetlink.links(rt)), rtnetlink.routes(rt)


@pytest.mark.netns
def test_a_stranger_of_the_same_name_is_left_alone(namespaces: Any, tmp_path: Path) -> None:
    host = namespaces.make()
    book = ledger.Ledger(tmp_path / "ledger.json")
    book.record(ledger.LedgerEntry("lateen0001", "02:aa:aa:aa:aa:aa", "172.30.1.0/24"))
    with netlink.open_netlink(host) as rt:
        rt.send([rtnetlink.veth("lateen0001", b"\x02\0\0\0\0\1", "peer", b"\x02\0\0\0\0\2", None)])
    before = _host_state(host)
    netlink.inside(host, lambda: hostlink.remove(book))
    assert _host_state(host) == before
    assert book.entries() == ()


@pytest.mark.netns
def test_a_pool_that_was_taken_meanwhile_is_refused_and_undone(
    namespaces: Any, tmp_path: Path
) -> None:
    host, labs = namespaces.make(), (namespaces.make(), namespaces.make())
    pool = hostlink.choose("default", ())
    books = [ledger.Ledger(tmp_path / f"{number}.json") for number in range(2)]
    netlink.inside(host, lambda: hostlink.make(books[0], labs[0], pool))
    before = _host_state(host)
    with pytest.raises(netlink.NetlinkError, match=f"route {pool.network}"):
        netlink.inside(host, lambda: hostlink.make(books[1], labs[1], pool))
    assert _host_state(host) == before
    assert books[1].entries() == ()
    assert netlink.inside(host, lambda: hostlink.choose("default", _in_use())) != pool


@pytest.mark.netns
def test_labs_that_start_at_the_same_time_get_pools_of_their_own(
    namespaces: Any, tmp_path: Path
) -> None:
    """Before there is a route by which the second could know of the first."""
    host, lab = namespaces.make(), namespaces.make()

    def claim() -> tuple[hostlink.Pool, socket.socket]:
        return hostlink.claim("default")

    first, holder = netlink.inside(host, claim)
    second, other = netlink.inside(host, claim)
    assert first == hostlink.choose("default", ())
    assert second != first
    holder.close()
    again, holder = netlink.inside(host, claim)
    assert again == first
    book = ledger.Ledger(tmp_path / "ledger.json")
    netlink.inside(host, lambda: hostlink.make(book, lab, first))
    for each in (holder, other):
        each.close()
    later, holder = netlink.inside(host, claim)
    assert later == second, "the route holds the first"
    elsewhere, other = netlink.inside(namespaces.make(), claim)
    assert elsewhere == first, "another machine, as far as routes go"
    for each in (holder, other):
        each.close()


def _in_use() -> tuple[ipaddress.IPv4Network, ...]:
    with netlink.open_netlink() as rt:
        return hostlink.in_use(rt)


MAKE_AND_REMOVE = """
import os, pathlib, sys
from lateen.node.net import hostlink, ledger
book = ledger.Ledger(pathlib.Path(sys.argv[1]))
pool = hostlink.Pool("172.30.1.0/24")
print("ready", flush=True)
while True:
    hostlink.make(book, int(sys.argv[2]), pool)
    print("made", flush=True)
    if sys.argv[3] == "hold":
        sys.stdin.read()
"""


@pytest.mark.netns
def test_a_kill_at_any_moment_leaves_nothing_that_is_not_recorded(
    namespaces: Any, tmp_path: Path
) -> None:
    """20 times: a process that makes and removes the link over and over is killed at some moment;
    every fourth time at one when the link is there for certain."""
    host, lab = namespaces.make(), namespaces.make()
    before, chance = _host_state(host), random.Random(7)
    path = tmp_path / "ledger.json"
    for number in range(20):
        hold = number % 4 == 0

        def start(mode: str = "hold" if hold else "race") -> "subprocess.Popen[bytes]":
            command = [sys.executable, "-c", MAKE_AND_REMOVE, str(path), str(lab), mode]
            pipe = subprocess.PIPE
            return subprocess.Popen(command, pass_fds=(lab,), stdin=pipe, stdout=pipe)

        with netlink.inside(host, start) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            if hold:
                assert process.stdout.readline() == b"made\n"
                assert _host_state(host) != before
            else:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0, 0.06))
            process.send_signal(signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL
        netlink.inside(host, lambda: hostlink.remove(ledger.Ledger(path)))
        assert _host_state(host) == before
        assert ledger.Ledger(path).entries() == ()


@pytest.mark.netns
def test_the_network_is_unreachable_while_there_is_no_link(namespaces: Any, tmp_path: Path) -> None:
    """Its node is started again: what is meant for its gateway does not go by the default route."""
    host, lab, again = (namespaces.make(enter.prepare_network) for _ in range(3))
    pool = hostlink.choose("default", ())
    book = ledger.Ledger(tmp_path / "ledger.json")
    with netlink.open_netlink(host) as rt:
        lo = rtnetlink.find(rt, "lo")
        assert lo is not None
        rt.send([rtnetlink.address(lo.index, "198.51.100.7"), rtnetlink.route("0.0.0.0/0", 1)])
    before = _host_state(host)
    netlink.inside(host, lambda: hostlink.make(book, lab, pool))
    gateway = pool.balancers.split("/", maxsplit=1)[0]

    def knock() -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            return sock.connect_ex((gateway, 80))

    assert netlink.inside(host, knock) == 0
    with netlink.open_netlink(host) as rt:
        rt.send([rtnetlink.link_delete(book.entries()[0].name)])
    assert netlink.inside(host, knock) == errno.EHOSTUNREACH
    used = netlink.inside(host, _in_use)
    assert hostlink.choose("default", used) != pool
    kept = [pool.network]
    with netlink.open_netlink(host) as rt:
        assert hostlink.choose("default", hostlink.in_use(rt, kept)) == pool
    netlink.inside(host, lambda: hostlink.make(book, again, pool))
    assert netlink.inside(host, knock) == 0
    netlink.inside(host, lambda: hostlink.remove(book))
    assert _host_state(host) == before
