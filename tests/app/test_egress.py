"""The way out: which addresses are open, what names mean, and what is told of connections."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import dnslib
import pytest
from hypothesis import given, strategies as st

from lateen.app.egress import records
from lateen.app.egress.names import MOST, PinnedNames, by_resolver
from lateen.app.egress.policy import Policy, own_addresses
from lateen.app.egress.relay import EgressConnection

OWN = frozenset({"203.0.114.9", "192.168.1.5"})
TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
     +-- 192.168.1.0/24 2 0 2
        |-- 192.168.1.0
           /24 link UNICAST
        |-- 192.168.1.5
           /32 host LOCAL
        |-- 192.168.1.255
           /32 link BROADCAST
"""


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("93.184.216.34", ""),
        ("8.8.8.8", ""),
        ("10.20.3.4", ""),
        ("10.21.3.4", "egressPrivate"),
        ("192.168.1.5", "the host itself"),
        ("203.0.114.9", "the host itself"),
        ("192.168.1.6", "egressPrivate"),
        ("100.64.0.1", "egressPrivate"),
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("169.254.169.254", "metadata"),
        ("0.0.0.0", "no host's address"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::1", "no IPv4 address"),
        ("rubbish", "no IPv4 address"),
    ],
)
def test_what_is_open(address: str, said: str) -> None:
    refusal = Policy(private=("10.20.0.0/16",)).refusal(address, OWN)
    assert said in refusal
    assert bool(refusal) == bool(said)


@given(st.ip_addresses(v=4), st.sampled_from(["0.0.0.0/0", "127.0.0.0/8", "169.254.0.0/16"]))
def test_no_list_opens_the_host_or_what_is_near_it(ip: ipaddress.IPv4Address, listed: str) -> None:
    near = (
        ip.is_loopback
        or ip.is_link_local
        or ip.is_multicast
        or ip in (ipaddress.IPv4Network("0.0.0.0/8"))
    )
    refusal = Policy(private=(listed,)).refusal(str(ip), frozenset())
    assert refusal or not near
    assert Policy(private=(listed,)).refusal(str(ip), frozenset({str(ip)}))


def test_the_machines_own_addresses_are_read_from_its_routes() -> None:
    assert own_addresses(TRIE) == {"127.0.0.1", "192.168.1.5"}


def names(*answers: list[str]) -> PinnedNames:
    """Names that mean something else at each look-up."""
    turns = iter(answers)

    async def lookup(_name: str) -> list[str]:
        return next(turns)

    return PinnedNames(lookup, Policy(), lambda: OWN)


def asked(pinned: PinnedNames, name: str, kind: str = "A") -> dnslib.DNSRecord:
    query = bytes(dnslib.DNSRecord.question(name, kind).pack())
    return dnslib.DNSRecord.parse(asyncio.run(pinned.answer(query)))


def test_a_name_keeps_what_it_meant_first() -> None:
    pinned = names(["93.184.216.34"], ["127.0.0.1"])
    for name in ("a.example", "A.example.", "a.EXAMPLE"):
        reply = asked(pinned, name)
        assert [str(each.rdata) for each in reply.rr] == ["93.184.216.34"]


def test_queries_at_the_same_time_are_one_look_up() -> None:
    pinned = names(["93.184.216.34"])

    async def both() -> set[tuple[str, ...]]:
        return set(await asyncio.gather(*(pinned.addresses("a.example") for _ in range(4))))

    assert asyncio.run(both()) == {("93.184.216.34",)}


def test_addresses_that_are_refused_are_not_told() -> None:
    pinned = names(["10.0.0.1", "93.184.216.34"], ["169.254.169.254"])
    assert [str(each.rdata) for each in asked(pinned, "mixed.example").rr] == ["93.184.216.34"]
    inner = asked(pinned, "inner.example")
    assert (inner.header.rcode, inner.rr) == (dnslib.RCODE.REFUSED, [])


def test_other_types_have_no_records_and_no_error() -> None:
    pinned = names(["93.184.216.34"])
    for kind in ("AAAA", "TXT", "MX"):
        reply = asked(pinned, "a.example", kind)
        assert (reply.header.rcode, reply.rr) == (dnslib.RCODE.NOERROR, [])


def failing(error: Exception) -> PinnedNames:
    async def lookup(_name: str) -> list[str]:
        raise error

    return PinnedNames(lookup, Policy(), lambda: OWN)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (socket.gaierror(socket.EAI_NONAME, "none"), dnslib.RCODE.NXDOMAIN),
        (socket.gaierror(socket.EAI_AGAIN, "later"), dnslib.RCODE.SERVFAIL),
        (OSError("no resolver"), dnslib.RCODE.SERVFAIL),
    ],
)
def test_what_cannot_be_looked_up_has_a_code(error: Exception, code: int) -> None:
    assert asked(failing(error), "a.example").header.rcode == code


def test_names_are_bounded() -> None:
    async def lookup(_name: str) -> list[str]:
        return ["93.184.216.34"]

    pinned = PinnedNames(lookup, Policy(), lambda: OWN)

    async def many() -> None:
        for number in range(MOST + 5):
            await pinned.addresses(f"{number}.example")

    asyncio.run(many())
    assert len(pinned._pinned) == MOST


@given(st.binary(max_size=60))
def test_noise_is_no_query(data: bytes) -> None:
    try:
        asyncio.run(names(["93.184.216.34"]).answer(data))
    except ValueError:
        return


def test_a_resolver_is_asked_by_queries_of_our_own() -> None:
    def replying(zone: str, code: int = 0) -> Callable[[bytes], Awaitable[bytes]]:
        async def ask(query: bytes) -> bytes:
            reply = dnslib.DNSRecord.parse(query).reply()
            reply.header.rcode = code
            reply.add_answer(*dnslib.RR.fromZone(zone))
            return bytes(reply.pack())

        return ask

    found = asyncio.run(by_resolver(replying("a.example 9 A 93.184.216.34"))("a.example"))
    assert found == ["93.184.216.34"]
    with pytest.raises(socket.gaierror):
        asyncio.run(by_resolver(replying("", dnslib.RCODE.NXDOMAIN))("a.example"))
    with pytest.raises(OSError, match="REFUSED"):
        asyncio.run(by_resolver(replying("", dnslib.RCODE.REFUSED))("a.example"))


def test_what_left_reads_like_a_proxys_entry() -> None:
    made = EgressConnection(
        "10.244.0.4:4711", "93.184.216.34:443", datetime(2026, 1, 1, tzinfo=UTC)
    )
    entry = records.entry(made)
    assert (entry.upstream_local, entry.upstream_remote) == (made.client, made.target)
    assert entry.flags == "-"
    refused = records.entry(EgressConnection("a:1", "b:2", made.start, refused="it is private"))
    assert (refused.flags, refused.upstream_failure) == ("UH", "it is private")
