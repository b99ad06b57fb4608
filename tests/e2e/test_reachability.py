"""Istio's reachability matrix, on real proxies in one lab.

15 policy cases x HTTP, TCP and HTTPS ports x client with and without sidecar x server with and
without: for every cell, whether the request succeeds, and whether mutual TLS was on the wire, read
from packets at the server's own interface.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.labs import Lab
from tests.e2e.wires import Wire, pods_by_app

pytestmark = pytest.mark.e2e

PORTS = {"http": 80, "tcp": 9000, "https": 443}
CLIENTS = ("client", "client-naked")
SERVERS = ("server", "server-naked")
BODIES = {"http": "Howdy", "tcp": "bytes", "https": "Howdy"}

Ends = tuple[bool, bool]
"""Whether client and server have a sidecar."""


def never(_ends: Ends) -> bool:
    return False


def always(_ends: Ends) -> bool:
    return True


def both(ends: Ends) -> bool:
    return all(ends)


def server_has_sidecar(ends: Ends) -> bool:
    return ends[1]


def client_has_sidecar(ends: Ends) -> bool:
    return ends[0]


def server_has_none(ends: Ends) -> bool:
    return not ends[1]


@dataclass(frozen=True)
class Case:
    """Policies and what follows from them. Two workloads without sidecars always talk in
    plaintext: no policy reaches them, so the functions are asked for the other three pairs."""

    policies: str
    mtls: Callable[[Ends], bool]
    success: Callable[[Ends], bool]
    migration: bool = False
    """The sidecar'd client asks for a subset of one Service; the other client knows no subsets."""

    def expects(self, ends: Ends) -> tuple[bool, bool]:
        """Return (succeeds, mutual TLS on the wire) for a cell."""
        if not any(ends):
            return True, False
        if self.migration and not ends[0]:
            return False, False  # the namespace is STRICT and this client has no certificate
        return self.success(ends), self.mtls(ends)


def authentication(mode: str, *, namespace: str = "default", app: str = "", ports: str = "") -> str:
    """A PeerAuthentication; with ports, those have a mode of their own."""
    selector = f"\n  selector: {{matchLabels: {{app: {app}}}}}" if app else ""
    levels = "".join(f"\n    {port}: {{mode: {ports}}}" for port in PORTS.values())
    return (
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
        f"metadata: {{name: {app or 'default'}, namespace: {namespace}}}\n"
        f"spec:{selector}\n  mtls: {{mode: {mode}}}"
        + (f"\n  portLevelMtls:{levels}" if ports else "")
        + "\n---\n"
    )


def rule(host: str, policy: str, *, namespace: str = "default", subsets: bool = False) -> str:
    """A DestinationRule with a trafficPolicy (in flow style), if any."""
    name = host.replace("*.", "all-").replace(".", "-")
    lines = [
        "apiVersion: networking.istio.io/v1",
        "kind: DestinationRule",
        f"metadata: {{name: {name}, namespace: {namespace}}}",
        "spec:",
        f'  host: "{host}"',
    ]
    if policy:
        lines.append(f"  trafficPolicy: {policy}")
    if subsets:
        lines.append("  subsets:")
        lines += [f"  - {{name: {app}, labels: {{app: {app}}}}}" for app in SERVERS]
    return "\n".join(lines) + "\n---\n"


def tls(mode: str) -> str:
    return f"{{tls: {{mode: {mode}}}}}"


def everywhere(mode: str) -> str:
    return authentication(mode, namespace="istio-system")


def for_all(policy: str) -> str:
    return rule("*.local", policy, namespace="istio-system")


def for_servers(mode: str) -> str:
    return "".join(rule(host, tls(mode)) for host in SERVERS)


def by_subset(policy: str) -> str:
    """Every port of `to-X` leads to the subset X of that Service."""
    made = authentication("STRICT")
    for app in SERVERS:
        host = f"to-{app}.default.svc.cluster.local"
        target = f"{{destination: {{host: {host}, subset: {app}, port: {{number: %d}}}}}}"
        made += rule(host, policy, subsets=True)
        made += (
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
            f"metadata: {{name: to-{app}}}\nspec:\n  hosts: [{host}]\n"
            f"  http: [{{route: [{target % 80}]}}]\n"
            f"  tcp: [{{match: [{{port: 9000}}], route: [{target % 9000}]}}]\n"
            f"  tls: [{{match: [{{port: 443, sniHosts: [{host}]}}], route: [{target % 443}]}}]\n"
            "---\n"
        )
    return made


MUTUAL, DISABLE = "ISTIO_MUTUAL", "DISABLE"
CASES = {
    "global-mtls-strict": Case(everywhere("STRICT") + for_all(tls(MUTUAL)), both, both),
    "global-mtls-permissive": Case(
        everywhere("PERMISSIVE") + for_all(tls(MUTUAL)), both, server_has_sidecar
    ),
    "global-mtls-disabled": Case(everywhere("DISABLE") + for_all(tls(DISABLE)), never, always),
    "global-plaintext-to-mtls-permissive": Case(
        everywhere("PERMISSIVE") + for_all(tls(DISABLE)), never, always
    ),
    "global-automtls-strict": Case(everywhere("STRICT"), both, client_has_sidecar),
    "global-automtls-disable": Case(everywhere("DISABLE"), never, always),
    "global-automtls-passthrough": Case(
        for_all("{loadBalancer: {simple: PASSTHROUGH}}"), both, always
    ),
    "global-no-peer-authn": Case(for_all(tls(MUTUAL)), both, server_has_sidecar),
    "mtls-strict": Case(authentication("STRICT", app="server") + for_servers(MUTUAL), both, both),
    "mtls-permissive": Case(
        authentication("PERMISSIVE", app="server") + for_servers(MUTUAL), both, server_has_sidecar
    ),
    "mtls-disabled": Case(
        authentication("DISABLE", app="server") + for_servers(DISABLE), never, always
    ),
    "mtls-port-override": Case(
        authentication("STRICT", app="server", ports="DISABLE"), never, always
    ),
    "migration-no-tls": Case(by_subset(""), server_has_sidecar, always, migration=True),
    "migration-tls-disabled": Case(by_subset(tls(DISABLE)), never, server_has_none, migration=True),
    "migration-tls-mutual": Case(
        by_subset(tls(MUTUAL)), server_has_sidecar, server_has_sidecar, migration=True
    ),
}


@dataclass
class Mesh:
    """The lab of this module."""

    lab: Lab
    wire: Wire
    addresses: dict[str, str]


@pytest.fixture(scope="module")
def mesh(make_lab: Callable[..., Lab]) -> Iterator[Mesh]:
    lab = make_lab("reach")
    up = lab.lateen("up", str(Path(__file__).parent / "reachability"))
    assert up.returncode == 0, up.stderr + lab.logs()
    pods = pods_by_app(lab)
    wire = Wire(lab, {app: pods[app] for app in SERVERS})
    yield Mesh(lab, wire, {app: address for app, (_, address) in pods.items()})
    wire.close()


Cell = tuple[str, str, str]
"""Client, server, port name."""


def ask(mesh: Mesh, client: str, case: Case) -> dict[Cell, bool]:
    """Send one client's six requests at once; return which succeeded."""
    prefix = "to-" if case.migration and client == "client" else ""
    script = []
    for server in SERVERS:
        for port, number in PORTS.items():
            scheme = "https" if port == "https" else "http"
            url = f"{scheme}://{prefix}{server}.default.svc.cluster.local:{number}/"
            head = (
                f'echo "{server} {port} $(curl -sk -m 3 -w "%{{http_code}}" {url} | tr -d "\\n")"'
            )
            script.append(f"{head} &")
    done = mesh.lab.lateen(
        "exec", f"deploy/{client}", "-c", "curl", "--", "sh", "-c", "\n".join([*script, "wait"])
    )
    assert done.returncode == 0, done.stderr
    found = {}
    for line in done.stdout.splitlines():
        server, port, answer = line.split(" ", 2)
        found[client, server, port] = answer.endswith("200") and BODIES[port] in answer
    assert len(found) == len(SERVERS) * len(PORTS), done.stdout
    return found


def observe(mesh: Mesh, case: Case) -> dict[Cell, tuple[bool, bool]]:
    """Return, for every cell, whether it succeeded and whether mutual TLS carried it."""
    since = time.monotonic()
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(ask, mesh, client, case) for client in CLIENTS]
    found = {}
    for cell, success in {k: v for a in answers for k, v in a.result().items()}.items():
        client, server, port = cell
        reading = mesh.wire.reading(server, mesh.addresses[client], PORTS[port], since)
        mutual = reading is not None and reading.istio_mtls and reading.handshake_done
        found[cell] = success, mutual
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_cell_has_its_outcome(mesh: Mesh, case: Case) -> None:
    mesh.lab.ok("apply", "-f", "-", stdin=case.policies)
    try:
        wanted = {
            (client, server, port): case.expects((client == "client", server == "server"))
            for client in CLIENTS
            for server in SERVERS
            for port in PORTS
        }
        found = observe(mesh, case)
        wrong = {
            cell: (found[cell], wanted[cell]) for cell in wanted if found[cell] != wanted[cell]
        }
        assert not wrong, f"(succeeds, mutual TLS): found, wanted\n{wrong}"
    finally:
        mesh.lab.ok("delete", "-f", "-", stdin=case.policies)
