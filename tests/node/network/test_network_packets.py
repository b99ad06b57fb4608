"""Real packets through real rules: pods, capture, Services, refusals, captures."""

import collections
import ipaddress
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest

from lateen.model.kube import discovery
from lateen.model.kube.core import objects
from lateen.model.schema.objectmeta import ObjectMeta
from lateen.node.net import hostlink, ledger, netlink, rtnetlink
from lateen.node.net.podnetwork import CaptureOptions

pytestmark = pytest.mark.netns

Fetch = Callable[..., str]
ORIGINAL_DESTINATION = 80


def peer_ip(_: socket.socket, peer: tuple[str, int]) -> str:
    return peer[0]


def original(connection: socket.socket, _: tuple[str, int]) -> str:
    """Where the client was going, as Envoy's original_dst filter asks."""
    raw = connection.getsockopt(socket.SOL_IP, ORIGINAL_DESTINATION, 16)
    port, packed = struct.unpack_from("!2xH4s", raw)
    return f"{socket.inet_ntoa(packed)}:{port}"


def named(name: str) -> Callable[..., str]:
    return lambda *_: name


def service(name: str, **spec: Any) -> objects.Service:
    meta = ObjectMeta(name=name, namespace="default")
    return objects.Service(metadata=meta, spec=objects.ServiceSpec(**spec))


def endpoints(port: int, *ips: str) -> discovery.EndpointSlice:
    return discovery.EndpointSlice(
        address_type="IPv4",
        endpoints=tuple(discovery.Endpoint(addresses=(ip,)) for ip in ips),
        ports=(discovery.EndpointPort(name="http", port=port),),
    )


HTTP = objects.ServicePort(name="http", port=80)


def test_a_connection_right_after_a_pod_is_made_never_waits(lab: Any, fetch: Fetch) -> None:
    """A lost SYN is repeated after a second: 50 pods in a row, in every direction."""
    first, first_ip = lab.pod("first")
    lab.namespaces.serve(first, 80, peer_ip)
    waits = []
    for number in range(50):
        pod, ip = lab.pod(f"pod-{number}")
        begun = time.monotonic()
        assert fetch(pod, first_ip, 80) == ip
        lab.namespaces.serve(pod, 80, peer_ip)
        assert fetch(first, ip, 80) == first_ip
        assert fetch(lab.root, ip, 80) == lab.net.node_ip
        waits.append(time.monotonic() - begun)
    assert max(waits) < 0.9


def test_attaching_twice_changes_nothing(lab: Any, fetch: Fetch) -> None:
    pod, ip = lab.pod("a")
    lab.net.attach("a", ip, pod)
    lab.namespaces.serve(pod, 80, named("a"))
    assert fetch(lab.root, ip, 80) == "a"


def test_an_attachment_cut_short_is_completed(lab: Any, fetch: Fetch) -> None:
    """An agent that was killed after making the pair, or whose pod lost its end."""
    from lateen.node.net import links

    pod = lab.namespaces.make()
    made = rtnetlink.veth(links.link_name("cut"), links.LAB_MAC, "eth0", b"\x02\0\0\0\0\1", pod)
    with netlink.open_netlink(lab.root) as rt:
        rt.send([made])
    lab.net.attach("cut", "10.244.3.3", pod)
    lab.namespaces.serve(pod, 80, named("cut"))
    other = lab.namespaces.make()
    lab.net.attach("cut", "10.244.3.3", other)
    lab.namespaces.serve(other, 80, named("other"))
    assert fetch(lab.root, "10.244.3.3", 80) == "other"


@pytest.fixture
def captured(lab: Any) -> tuple[Any, int, str]:
    """A pod with a sidecar's listeners and an application on 8080."""
    pod, ip = lab.pod("captured")
    lab.net.capture("captured", pod, CaptureOptions(exclude_outbound_ports=("9999",)))
    for port in (15001, 15006):
        lab.namespaces.serve(
            pod, port, lambda c, p, port=port: f"{port} {original(c, p)} from {p[0]}"
        )
    lab.namespaces.serve(pod, 8080, named("application"))
    lab.namespaces.serve(pod, 15021, named("readiness"))
    return lab, pod, ip


def test_what_comes_in_goes_to_the_inbound_listener(
    captured: tuple[Any, int, str], fetch: Fetch
) -> None:
    lab, _, ip = captured
    other, other_ip = lab.pod("other")
    assert fetch(other, ip, 8080) == f"15006 {ip}:8080 from {other_ip}"
    assert fetch(other, ip, 443) == f"15006 {ip}:443 from {other_ip}"
    assert fetch(other, ip, 15021) == "readiness"


def test_what_goes_out_goes_to_the_outbound_listener(
    captured: tuple[Any, int, str], fetch: Fetch
) -> None:
    lab, pod, ip = captured
    other, other_ip = lab.pod("other")
    for port in (80, 9999):
        lab.namespaces.serve(other, port, named("other"))
    assert fetch(pod, other_ip, 80) == f"15001 {other_ip}:80 from {ip}"
    assert fetch(pod, "10.96.0.50", 80).startswith("15001 10.96.0.50:80")
    assert fetch(pod, other_ip, 9999) == "other"
    assert fetch(pod, other_ip, 80, mark=1337) == "other", "Envoy's own connection passes by"


def test_inside_the_pod(captured: tuple[Any, int, str], fetch: Fetch) -> None:
    _, pod, ip = captured
    assert fetch(pod, "127.0.0.1", 8080) == "application"
    assert fetch(pod, "127.0.0.1", 8080, mark=1337) == "application"
    assert fetch(pod, ip, 8080) == "application", "the application calls its own pod"
    assert fetch(pod, ip, 8080, mark=1337).startswith(f"15006 {ip}:8080"), "Envoy does"
    assert fetch(pod, ip, 8080, source="127.0.0.6", mark=1337) == "application"


def test_capture_can_be_replaced(captured: tuple[Any, int, str], fetch: Fetch) -> None:
    lab, pod, ip = captured
    lab.net.capture("captured", pod, CaptureOptions(include_inbound_ports=("443",)))
    other, _ = lab.pod("other")
    assert fetch(other, ip, 8080) == "application"
    assert fetch(other, ip, 443).startswith("15006")


def test_capture_refuses_what_cannot_be_a_rule(lab: Any) -> None:
    pod, _ = lab.pod("bad")
    with pytest.raises(OSError, match="excludeInboundPorts: 'http' is not a port number"):
        lab.net.capture("bad", pod, CaptureOptions(exclude_inbound_ports=("http",)))


@pytest.fixture
def serving(make_lab: Callable[..., Any]) -> tuple[Any, int, tuple[str, ...]]:
    """A lab with a balancer's pool, a client pod and three servers on 8080."""
    lab = make_lab(balancer_cidr="172.30.9.128/25")
    client, client_ip = lab.pod("client")
    ips = []
    for name in ("one", "two", "three"):
        pod, ip = lab.pod(name)
        lab.namespaces.serve(pod, 8080, lambda _, peer, name=name: f"{name} {peer[0]}")
        ips.append(ip)
    return lab, client, (client_ip, *ips)


def test_a_cluster_ip_reaches_every_endpoint(
    serving: tuple[Any, int, tuple[str, ...]], fetch: Fetch
) -> None:
    lab, client, (client_ip, *ips) = serving
    lab.net.set_service(
        service("web", cluster_ip="10.96.0.20", ports=(HTTP,)), [endpoints(8080, *ips)]
    )
    lab.net.commit()
    answers = collections.Counter(fetch(client, "10.96.0.20", 80) for _ in range(90))
    assert set(answers) == {f"{name} {client_ip}" for name in ("one", "two", "three")}
    assert min(answers.values()) > 10
    assert fetch(lab.root, "10.96.0.20", 80).split()[1] == lab.net.node_ip


def test_affinity_keeps_a_client_at_one_endpoint(
    serving: tuple[Any, int, tuple[str, ...]], fetch: Fetch
) -> None:
    lab, client, (_, *ips) = serving
    sticky = service("web", cluster_ip="10.96.0.20", ports=(HTTP,), session_affinity="ClientIP")
    lab.net.set_service(sticky, [endpoints(8080, *ips)])
    lab.net.commit()
    assert len({fetch(client, "10.96.0.20", 80) for _ in range(20)}) == 1


def test_a_pod_reaches_itself_through_its_service(
    serving: tuple[Any, int, tuple[str, ...]], fetch: Fetch
) -> None:
    lab, _, (_, *_ips) = serving
    pod, ip = lab.pod("lonely")
    lab.namespaces.serve(pod, 8080, peer_ip)
    lab.net.set_service(
        service("me", cluster_ip="10.96.0.21", ports=(HTTP,)), [endpoints(8080, ip)]
    )
    lab.net.commit()
    assert fetch(pod, "10.96.0.21", 80) == lab.net.node_ip


def test_node_ports_and_balancers(serving: tuple[Any, int, tuple[str, ...]], fetch: Fetch) -> None:
    lab, client, (client_ip, ip, *_) = serving
    port = objects.ServicePort(name="http", port=80, node_port=30080)
    status = objects.ServiceStatus(
        load_balancer=objects.LoadBalancerStatus(
            ingress=(objects.LoadBalancerIngress(ip="172.30.9.129"),)
        )
    )
    gateway = objects.Service(
        metadata=ObjectMeta(name="gw", namespace="default"),
        spec=objects.ServiceSpec(type="LoadBalancer", cluster_ip="10.96.0.22", ports=(port,)),
        status=status,
    )
    lab.net.set_service(gateway, [endpoints(8080, ip)])
    lab.net.commit()
    for address, number in ((lab.net.node_ip, 30080), ("172.30.9.129", 80), ("10.96.0.22", 80)):
        assert fetch(client, address, number) == f"one {client_ip}"
        assert fetch(lab.root, address, number).startswith("one ")


def test_what_nobody_answers_is_refused_at_once(
    serving: tuple[Any, int, tuple[str, ...]], fetch: Fetch
) -> None:
    """Twenty times, as an ICMP error would be limited to a few a second."""
    lab, client, _ = serving
    lab.net.set_service(service("nobody", cluster_ip="10.96.0.23", ports=(HTTP,)), [])
    lab.net.commit()
    places = [("10.96.0.23", 80), ("10.96.0.23", 81), ("10.96.9.9", 80), ("172.30.9.200", 80)]
    places.append(("10.244.99.99", 80))
    for namespace in (client, lab.root):
        for address, port in places:
            for _ in range(20):
                begun = time.monotonic()
                with pytest.raises(ConnectionRefusedError):
                    fetch(namespace, address, port)
                assert time.monotonic() - begun < 0.5


def test_an_endpoint_that_is_gone_refuses_at_once(
    serving: tuple[Any, int, tuple[str, ...]], fetch: Fetch
) -> None:
    """Between a pod's end and the news of it, clients must fail fast, to try another."""
    lab, client, _ = serving
    stale = service("stale", cluster_ip="10.96.0.24", ports=(HTTP,))
    lab.net.set_service(stale, [endpoints(8080, "10.244.99.99")])
    lab.net.commit()
    for _ in range(20):
        begun = time.monotonic()
        with pytest.raises(ConnectionRefusedError):
            fetch(client, "10.96.0.24", 80)
        assert time.monotonic() - begun < 0.5


def test_endpoints_come_and_go(serving: tuple[Any, int, tuple[str, ...]], fetch: Fetch) -> None:
    lab, client, (client_ip, one, two, _) = serving
    web = service("web", cluster_ip="10.96.0.20", ports=(HTTP,))
    for present, answer in ((one, "one"), (two, "two")):
        lab.net.set_service(web, [endpoints(8080, present)])
        lab.net.commit()
        assert fetch(client, "10.96.0.20", 80) == f"{answer} {client_ip}"
    lab.net.remove_service("default", "web")
    lab.net.commit()
    with pytest.raises(ConnectionRefusedError):
        fetch(client, "10.96.0.20", 80)


def test_a_thousand_services(lab: Any, fetch: Fetch) -> None:
    pod, ip = lab.pod("server")
    lab.namespaces.serve(pod, 8080, named("server"))
    for number in range(1000):
        address = f"10.97.{number // 250}.{number % 250 + 1}"
        many = service(f"s{number}", cluster_ip=address, ports=(HTTP,))
        others = (f"10.244.{number % 200 + 1}.{each}" for each in range(number % 3))
        lab.net.set_service(many, [endpoints(8080, ip, *others)])
    lab.net.commit()
    lab.net.commit()
    client, _ = lab.pod("client")
    assert fetch(client, "10.97.0.1", 80) == "server"
    assert fetch(client, "10.97.3.247", 80) == "server"


def test_a_new_agent_leaves_the_rules_until_it_knows_better(
    serving: tuple[Any, int, tuple[str, ...]], fetch: Fetch
) -> None:
    from lateen.node.net import addressing, network

    lab, client, (client_ip, one, two, _) = serving
    web = service("web", cluster_ip="10.96.0.20", ports=(HTTP,))
    lab.net.set_service(web, [endpoints(8080, one)])
    lab.net.commit()
    lab.net.close()
    plan = addressing.Plan(balancer_cidr="172.30.9.128/25")
    later = netlink.inside(lab.root, lambda: network.LabNetwork(plan))
    assert fetch(client, "10.96.0.20", 80) == f"one {client_ip}"
    later.set_service(web, [endpoints(8080, two)])
    later.commit()
    assert fetch(client, "10.96.0.20", 80) == f"two {client_ip}"
    later.close()


def test_a_capture_socket_sees_the_wire(lab: Any, fetch: Fetch) -> None:
    pod, ip = lab.pod("watched")
    other, other_ip = lab.pod("other")
    lab.namespaces.serve(pod, 80, named("payload-of-the-server"))
    every_protocol = 0x0003

    def listen() -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(every_protocol))
        sock.bind(("eth0", every_protocol))
        return sock

    with netlink.inside(pod, listen) as sock:
        assert fetch(other, ip, 80) == "payload-of-the-server"
        sock.settimeout(5)
        frames: list[bytes] = []
        while not any(b"payload-of-the-server" in frame for frame in frames):
            frames.append(sock.recv(65535))
    syn = frames[0]
    assert syn[12:14] == b"\x08\x00", "the first frame is no ARP, no IPv6 chatter"
    assert socket.inet_ntoa(syn[26:30]) == other_ip
    assert socket.inet_ntoa(syn[30:34]) == ip


def test_the_host_reaches_a_balancer(
    make_lab: Callable[..., Any], namespaces: Any, fetch: Fetch, tmp_path: Any
) -> None:
    host = namespaces.make()
    pool = hostlink.choose("test", ())
    lab = make_lab(balancer_cidr=pool.balancers, extra_node_addresses=(pool.lab_ip,))
    pod, ip = lab.pod("gateway")
    lab.namespaces.serve(pod, 8080, peer_ip)
    book = ledger.Ledger(tmp_path / "ledger.json")
    netlink.inside(host, lambda: hostlink.make(book, lab.root, pool))
    port = objects.ServicePort(name="http", port=80, node_port=30080)
    address, unused = (str(ipaddress.IPv4Network(pool.balancers)[each]) for each in (1, 99))
    gateway = service(
        "gw", type="NodePort", cluster_ip="10.96.0.22", external_ips=(address,), ports=(port,)
    )
    lab.net.set_service(gateway, [endpoints(8080, ip)])
    lab.net.commit()
    assert fetch(host, address, 80) == pool.host_ip
    assert fetch(host, pool.lab_ip, 30080) == pool.host_ip
    for refused in ((address, 81), (unused, 80), (pool.lab_ip, 1)):
        with pytest.raises(ConnectionRefusedError):
            fetch(host, *refused)
    lab.namespaces.serve(host, 22, named("the host"))
    for port_number in (22, 23):
        with pytest.raises(ConnectionRefusedError):  # the answer would not find its way back
            fetch(pod, pool.host_ip, port_number)
    netlink.inside(host, lambda: hostlink.remove(book))
    with netlink.open_netlink(host) as rt:
        assert [link.name for link in rtnetlink.links(rt)] == ["lo"]
        assert rtnetlink.routes(rt) == ()
    assert book.entries() == ()


def test_a_pod_speaks_in_its_own_name_alone(lab: Any) -> None:
    """What it sends from the address of another pod, or of anybody else, reaches nobody."""
    (pod, own), (_, other), (target, there) = (lab.pod(name) for name in ("pod", "other", "target"))

    def udp(address: str, port: int) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(5)
        made.bind((address, port))
        return made

    with netlink.inside(target, lambda: udp(there, 5000)) as heard:
        for source in (other, "198.51.100.7", own):
            with netlink.open_netlink(pod) as rt:
                lo = rtnetlink.find(rt, "lo")
                assert lo is not None
                rt.send([rtnetlink.address(lo.index, source)])
            with netlink.inside(pod, lambda source=source: udp(source, 0)) as sends:
                sends.sendto(source.encode(), (there, 5000))
        assert heard.recv(100).decode() == own, "the first that arrives is the honest one"
