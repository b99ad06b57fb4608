"""The cluster's DNS: a table of questions, odd packets, and a pod's own resolver."""

import asyncio
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import dnslib
import msgspec
import pytest
import yaml
from hypothesis import given, strategies as st

from lateen.model.kube import discovery
from lateen.model.kube.core import objects
from lateen.node.dns import server as dns, zone as dnszone
from lateen.node.net import netlink

CASES = Path(__file__).parent / "cases" / "dns"


def _zone() -> dnszone.Zone:
    told = yaml.safe_load((CASES / "zone.yaml").read_text())
    zone = dnszone.Zone()
    for service in msgspec.convert(told["services"], tuple[objects.Service, ...]):
        key = f"{service.metadata.namespace}/{service.metadata.name}"
        slices = told["slices"].get(key, ())
        zone.set_service(service, msgspec.convert(slices, tuple[discovery.EndpointSlice, ...]))
    for pod in told["pods"]:
        zone.set_pod(*pod)
    return zone


def _ask(zone: dnszone.Zone, name: str, kind: str, limit: int = 0) -> dnslib.DNSRecord:
    query = dnslib.DNSRecord.question(name, kind)
    query.header.id = 0
    reply = dns.answer(query.pack(), zone, limit)
    assert reply is not None
    return dnslib.DNSRecord.parse(reply)


def _shown(record: dnslib.RR) -> str:
    kind, data = dnslib.QTYPE[record.rtype], record.rdata
    if kind == "SRV":
        return f"SRV {data.port} {str(data.target).rstrip('.')}"
    return f"{kind} {str(data).rstrip('.')}"


@pytest.mark.parametrize(
    ("name", "kind", "status", "answers"), yaml.safe_load((CASES / "questions.yaml").read_text())
)
def test_question(name: str, kind: str, status: str, answers: list[str]) -> None:
    reply = _ask(_zone(), name, kind)
    assert dnslib.RCODE[reply.header.rcode] == status
    found = [_shown(record) for record in reply.rr]
    assert (found if found[:1] and found[0].startswith("CNAME") else sorted(found)) == answers
    assert reply.header.aa == 1
    assert all(record.ttl == 30 for record in reply.rr)
    assert bool(reply.auth) == (not answers), "where there is none, for how long is told"
    assert str(reply.q.qname).rstrip(".") == name, "the question comes back letter by letter"


def test_srv_brings_the_addresses_along() -> None:
    reply = _ask(_zone(), "_sql._tcp.db.default.svc.cluster.local", "SRV")
    assert sorted(f"{record.rname} {record.rdata}" for record in reply.ar) == [
        "10-244-0-7.db.default.svc.cluster.local. 10.244.0.7",
        "db-0.db.default.svc.cluster.local. 10.244.0.6",
    ]


def test_what_is_removed_is_unknown() -> None:
    zone = _zone()
    zone.remove_service("default", "helloworld")
    zone.set_pod("default", "helloworld-66d8499c5c-298vw", "")
    for name in (
        "helloworld.default.svc.cluster.local",
        "1.1.96.10.in-addr.arpa",
        "10-244-0-3.default.pod.cluster.local",
    ):
        assert _ask(zone, name, "A").header.rcode == dnslib.RCODE.NXDOMAIN
    zone.remove_service("istio-system", "istio-ingressgateway")
    assert _ask(zone, "istio-system.svc.cluster.local", "A").header.rcode == dnslib.RCODE.NXDOMAIN


def _crowd() -> dnszone.Zone:
    zone = dnszone.Zone()
    many = tuple(discovery.Endpoint(addresses=(f"10.244.1.{each}",)) for each in range(1, 101))
    service = objects.Service(spec=objects.ServiceSpec(cluster_ip="None"))
    service = msgspec.structs.replace(
        service,
        metadata=msgspec.convert({"name": "crowd", "namespace": "default"}, type(service.metadata)),
    )
    zone.set_service(service, [discovery.EndpointSlice(address_type="IPv4", endpoints=many)])
    return zone


def test_a_reply_that_does_not_fit_is_cut_and_marked() -> None:
    zone = _crowd()
    name = "crowd.default.svc.cluster.local"
    cut = _ask(zone, name, "A")
    assert cut.header.tc == 1
    assert str(cut.q.qname) == f"{name}."
    whole = _ask(zone, name, "A", limit=65535)
    assert whole.header.tc == 0
    assert len(whole.rr) == 100
    query = dnslib.DNSRecord.question(name)
    query.add_ar(dnslib.EDNS0(udp_len=4096))
    reply = dnslib.DNSRecord.parse(dns.answer(query.pack(), zone))
    assert len(reply.rr) == 100
    assert reply.ar[0].rtype == dnslib.QTYPE.OPT


def test_clients_that_take_the_first_address_are_spread() -> None:
    zone, first = _zone(), set()
    for number in range(4):
        query = dnslib.DNSRecord.question("db.default.svc.cluster.local")
        query.header.id = number
        first.add(str(dnslib.DNSRecord.parse(dns.answer(query.pack(), zone)).rr[0].rdata))
    assert first == {"10.244.0.6", "10.244.0.7"}


def test_operations_other_than_queries_are_not_implemented() -> None:
    reply = dns.answer(b"\x12\x34\x28\x00" + bytes(8), _zone())
    assert reply == b"\x12\x34\xa8\x04" + bytes(8)


@given(st.binary(max_size=80), st.booleans())
def test_no_packet_breaks_it(data: bytes, as_query: bool) -> None:
    packet = b"ab\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + data if as_query else data
    reply = dns.answer(packet, _zone())
    if reply is not None:
        assert reply[:2] == packet[:2]
        assert reply[2] & 0x80


async def _serve(zone: dnszone.Zone, ready: threading.Event, done: threading.Event) -> None:
    async def elsewhere(query: bytes) -> bytes:
        record = dnslib.DNSRecord.parse(query)
        if str(record.q.qname) == "broken.example.":
            raise OSError("no way out")
        reply = record.reply()
        if str(record.q.qname) != "example.com.":
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
            return bytes(reply.pack())
        reply.add_answer(*dnslib.RR.fromZone(f"{record.q.qname} 60 A 192.0.2.1"))
        return bytes(reply.pack())

    server = dns.DnsServer(zone, elsewhere)
    await server.start("10.96.0.10")
    ready.set()
    await asyncio.to_thread(done.wait)
    await server.stop()


@pytest.fixture
def resolving(lab: Any) -> Any:
    """A lab whose root namespace answers DNS."""
    ready, done = threading.Event(), threading.Event()
    zone = _zone()
    crowd = _crowd()
    zone._entries |= crowd._entries
    thread = threading.Thread(
        target=netlink.inside, args=(lab.root, lambda: asyncio.run(_serve(zone, ready, done)))
    )
    thread.start()
    assert ready.wait(10)
    yield lab
    done.set()
    thread.join()


RESOLVE = """
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x20000) == 0 and libc.mount(b"none", b"/", None, 0x44000, None) == 0
target = os.path.realpath("/etc/resolv.conf").encode()
assert libc.mount(sys.argv[1].encode(), target, None, 4096, None) == 0
for name in sys.argv[2:]:
    try:
        print(name, sorted({a[4][0] for a in socket.getaddrinfo(name, 80)})[:2])
    except OSError as error:
        print(name, error.strerror)
print(socket.gethostbyaddr("172.17.121.88")[0])
"""


@pytest.mark.netns
def test_a_pods_own_resolver(resolving: Any, tmp_path: Path) -> None:
    """getaddrinfo in a pod, with the resolv.conf that a pod has; names over UDP and, for the long
    answer, TCP."""
    pod, _ = resolving.pod("client")
    conf = tmp_path / "resolv.conf"
    conf.write_text(
        "nameserver 10.96.0.10\n"
        "search default.svc.cluster.local svc.cluster.local cluster.local\n"
        "options ndots:5\n"
    )
    names = ["helloworld", "helloworld.default", "istio-ingressgateway.istio-system.svc"]
    names += ["crowd", "nobody", "example.com", "broken.example"]
    done = netlink.inside(
        pod,
        lambda: subprocess.run(
            [sys.executable, "-c", RESOLVE, str(conf), *names], capture_output=True, text=True
        ),
    )
    assert done.stdout.splitlines() == [
        "helloworld ['10.96.1.1']",
        "helloworld.default ['10.96.1.1']",
        "istio-ingressgateway.istio-system.svc ['10.96.1.2']",
        "crowd ['10.244.1.1', '10.244.1.10']",
        "nobody Name or service not known",
        "example.com ['192.0.2.1']",
        "broken.example Temporary failure in name resolution",
        "172-17-121-88.istio-ingressgateway.istio-system.svc.cluster.local",
    ], done.stderr


@pytest.mark.netns
def test_many_questions_on_one_connection(resolving: Any) -> None:
    pod, _ = resolving.pod("client")
    query = dnslib.DNSRecord.question("helloworld.default.svc.cluster.local").pack()

    def converse() -> list[bytes]:
        with socket.create_connection(("10.96.0.10", 53), timeout=5) as sock:
            sock.sendall((len(query).to_bytes(2, "big") + query) * 3)
            stream = sock.makefile("rb")
            return [stream.read(int.from_bytes(stream.read(2), "big")) for _ in range(3)]

    replies = netlink.inside(pod, converse)
    assert [str(dnslib.DNSRecord.parse(each).a.rdata) for each in replies] == ["10.96.1.1"] * 3


def test_hosts_outside_are_answered_for_the_nearest_wildcard_last() -> None:
    zone = _zone()
    for host, address in (
        ("a.wiki.example", "10.244.0.7"),
        ("*.wiki.example", "10.244.0.8"),
        ("*.deep.wiki.example", "10.244.0.9"),
    ):
        zone.add_external(host, address)
    asked = ("A.wiki.example", "b.wiki.example", "c.b.wiki.example", "x.deep.wiki.example")
    found = [[str(r.rdata) for r in _ask(zone, name, "A").rr] for name in asked]
    assert found == [["10.244.0.7"], ["10.244.0.8"], ["10.244.0.8"], ["10.244.0.9"]]
    assert dnslib.RCODE[_ask(zone, "a.wiki.example", "AAAA").header.rcode] == "NOERROR"
    assert dnslib.RCODE[_ask(zone, "wiki.example", "A").header.rcode] == "NXDOMAIN"
    # What the lab answers for is nobody else's to answer.
    assert not dns.is_foreign(dnslib.DNSRecord.question("b.wiki.example").pack(), zone)
    assert dns.is_foreign(dnslib.DNSRecord.question("b.example").pack(), zone)
    zone.remove_external("a.wiki.example", "10.244.0.7")
    zone.remove_external("a.wiki.example", "10.244.0.7")
    assert [str(r.rdata) for r in _ask(zone, "a.wiki.example", "A").rr] == ["10.244.0.8"]


def test_clients_whose_proxy_answers_are_told_of_service_entries() -> None:
    zone = _zone()
    zone.add_external("a.example", "10.244.0.7")
    zone.set_client("10.244.0.2", "web")
    zone.set_entry("web", "own", {"a.example": dnszone.MeshHost(("240.240.0.1",))})
    zone.set_entry("api", "theirs", {"a.example": dnszone.MeshHost(("240.240.0.2",))})
    zone.set_entry(
        "api",
        "private",
        {
            "b.example": dnszone.MeshHost(("240.240.0.3",), (".",)),
            "*.c.example": dnszone.MeshHost(("240.240.0.4",), ("web", "more")),
        },
    )

    def told(name: str, client: str) -> list[str]:
        return [record.value for record in zone.lookup(name, "A", client).answers]

    assert told("A.example", "10.244.0.2") == ["240.240.0.1"]
    assert told("a.example", "10.244.0.3") == told("a.example", "") == ["10.244.0.7"]
    assert told("b.example", "10.244.0.2") == []
    assert told("x.y.c.example", "10.244.0.2") == ["240.240.0.4"]
    assert zone.lookup("x.c.example", "A", "10.244.0.2").inside
    zone.set_entry("web", "own", {})
    assert told("a.example", "10.244.0.2") == ["240.240.0.2"]
    zone.set_client("10.244.0.2", "")
    assert told("a.example", "10.244.0.2") == ["10.244.0.7"]
