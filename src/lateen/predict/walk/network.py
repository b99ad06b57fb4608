"""From an address to whoever answers there: capture rules, the node's Services, routes. Pure."""

import ipaddress

import msgspec

from lateen.predict.connection.choices import Option
from lateen.predict.connection.run import OpenedConnection, Run, WireReply, party_of
from lateen.predict.values.facts import CaptureRules, PodFacts
from lateen.predict.values.outcome import Party
from lateen.predict.walk import application, listener

_ALL = "*"
_OWN_PORTS = {15021: "readiness", 15090: "statistics", 15020: "readiness"}
OUTBOUND_LISTENER, INBOUND_LISTENER = "virtualOutbound", "virtualInbound"


def captured_out(pod: PodFacts | None, address: str, port: int) -> bool:
    """Tell whether a pod's rules take what its application sends to an address, in the order of the
    rules."""
    if pod is None or pod.capture is None:
        return False
    rules, target = pod.capture, ipaddress.ip_address(address)
    if str(port) in rules.not_outbound_ports or target.is_loopback or address == pod.address:
        return False
    if any(target in ipaddress.ip_network(r, strict=False) for r in rules.not_outbound_ranges):
        return False
    if str(port) in rules.outbound_ports:
        return True
    if _ALL in rules.outbound_ranges:
        return True
    return any(target in ipaddress.ip_network(r, strict=False) for r in rules.outbound_ranges)


def captured_in(rules: CaptureRules | None, port: int) -> bool:
    """Tell whether a pod's rules take what comes to a port."""
    if rules is None or not rules.inbound:
        return False
    if _ALL not in rules.inbound:
        return str(port) in rules.inbound
    return str(port) not in rules.not_inbound


def reach(run: Run, wanted: OpenedConnection) -> WireReply:
    """Return what a connection leads to, from wherever it is opened."""
    pod = wanted.pod
    if pod is not None and not wanted.by_proxy and is_local(pod, wanted.address):
        own = _own_socket(run, pod, wanted.address, wanted.port)
        if own:
            run.step("capture", f"the sidecar listens there itself ({pod.name})", at=pod.name)
            return listener.serve(run, pod, wanted, own)
        if wanted.address != pod.address:
            return application.answer(run, pod, wanted.port, wanted.content, inside=True)
    if not wanted.by_proxy and captured_out(pod, wanted.address, wanted.port):
        assert pod is not None
        run.step("capture", f"the pod's rules hand it to its sidecar ({pod.name})", at=pod.name)
        return listener.serve(run, pod, wanted, OUTBOUND_LISTENER)
    if pod is not None and not wanted.by_proxy and pod.capture is not None:
        run.step("capture", "the pod's rules leave it alone", at=pod.name)
    return arrive(run, wanted)


def is_local(pod: PodFacts, address: str) -> bool:
    """Tell whether an address is the pod's own, for its containers."""
    return address == pod.address or ipaddress.ip_address(address).is_loopback


def _own_socket(run: Run, pod: PodFacts, address: str, port: int) -> str:
    """Return the listener of a pod's sidecar that has a socket of its own there; empty if none."""
    proxy = run.world.proxies.get(pod.name) if pod.proxy == "sidecar" else None
    for key in ((address, port), ("", port)) if proxy is not None else ():
        name = proxy.by_address.get(key, "") if proxy is not None else ""
        found = proxy.listener(name) if name and proxy is not None else None
        if found is not None and (not found.HasField("bind_to_port") or found.bind_to_port.value):
            return name
    return ""


def arrive(run: Run, wanted: OpenedConnection) -> WireReply:
    """Return what a connection leads to once it is on the network."""
    network = run.world.network
    address, port = wanted.address, wanted.port
    if wanted.inward and wanted.pod is not None and address != wanted.pod.address:
        return _inside(run, wanted.pod, wanted)
    front = network.fronts.get((address, port))
    if front is not None:
        if not front.endpoints:
            run.step("service", f"{front.service} has no endpoint", ok=False, at="network")
            return WireReply(
                kind="refused", server=Party("service", front.service, f"{address}:{port}")
            )
        address, port = _spread(run, front.endpoints)
    pod = network.pods.get(address)
    if pod is None:
        return _nobody(run, address, port)
    return _at_pod(run, pod, port, wanted)


def _spread(run: Run, endpoints: tuple[tuple[str, int], ...]) -> tuple[str, int]:
    """Let the node choose an endpoint: pods of one workload are alike."""
    groups: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for address, port in endpoints:
        pod = run.world.network.pods.get(address)
        groups.setdefault((pod.workload if pod else address, port), []).append((address, port))
    options = [
        Option(f"the node chooses {name}", len(members) / len(endpoints))
        for (name, _), members in groups.items()
    ]
    return list(groups.values())[run.choices.choose(options)][0]


def _nobody(run: Run, address: str, port: int) -> WireReply:
    target = ipaddress.ip_address(address)
    network = run.world.network
    routed = any(target in ipaddress.ip_network(each) for each in network.routed)
    words = f"nobody is at {address}"
    owner = next((f.service for (ip, _), f in network.fronts.items() if ip == address), "")
    place = f"{address}:{port}"
    server = Party("service", owner, place) if owner else Party("outside", place, place)
    run.step("network", f"{owner} has no port {port}" if owner else words, ok=False, at="network")
    return WireReply(kind="refused" if routed or owner else "unreachable", server=server)


def _at_pod(run: Run, pod: PodFacts, port: int, wanted: OpenedConnection) -> WireReply:
    if pod.proxy == "gateway":
        return _at_gateway(run, pod, port, wanted)
    # An application reaches its own pod past both listeners; what its sidecar sends to the pod's
    # address comes back in by the inbound one.
    itself = wanted.pod is not None and wanted.pod.name == pod.name and not wanted.by_proxy
    if not wanted.inward and not itself and captured_in(pod.capture, port):
        return listener.serve(run, pod, _at(wanted, pod.address, port), INBOUND_LISTENER)
    own = _own_socket(run, pod, pod.address, port)
    if own:
        return listener.serve(run, pod, _at(wanted, pod.address, port), own)
    return application.answer(run, pod, port, wanted.content)


def _inside(run: Run, pod: PodFacts, wanted: OpenedConnection) -> WireReply:
    """A sidecar speaks to its pod's loopback address."""
    own = _own_socket(run, pod, wanted.address, wanted.port)
    if own:
        return listener.serve(run, pod, wanted, own)
    return application.answer(run, pod, wanted.port, wanted.content, inside=True)


def _at_gateway(run: Run, pod: PodFacts, port: int, wanted: OpenedConnection) -> WireReply:
    proxy = run.world.proxies.get(pod.name)
    name = proxy.by_address.get(("", port)) if proxy is not None else None
    if name is None:
        if port in _OWN_PORTS:
            return WireReply(kind="answer", server=party_of(pod, port=port))
        run.step("listener", f"the gateway has none on port {port}", at=pod.name, ok=False)
        return WireReply(kind="refused", server=party_of(pod, port=port))
    return listener.serve(run, pod, _at(wanted, pod.address, port), name)


def _at(wanted: OpenedConnection, address: str, port: int) -> OpenedConnection:
    return msgspec.structs.replace(wanted, address=address, port=port)
