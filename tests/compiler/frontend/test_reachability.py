"""The 15 cases of Istio's reachability test, decided on the IR alone.

For every client and server (with a sidecar or naked) and for HTTP, TCP and HTTPS ports: does the
request travel by mutual TLS, and does it arrive? The client's part is read from clusters and
endpoints, the server's from the inbound modes; nothing is known here of the rules behind them.
"""

from typing import Any, NamedTuple

import pytest

from lateen.compiler.ir.policy import TlsMode
from lateen.compiler.ir.workload import MtlsMode

PORTS = {"http": 80, "tcp": 9000, "https": 443}

BASE = """
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: tcp, port: 9000}},
          {{name: https, port: 443, targetPort: 8443}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: default}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}, {inject}}}}}
    spec: {{containers: [{{name: app, image: echo}}]}}
---
"""


def policy(mode: str, namespace: str = "istio-system", rest: str = "", name: str = "policy") -> str:
    return (
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec: {{mtls: {{mode: {mode}}}{rest}}}\n---\n"
    )


def workload(mode: str, ports: str = "") -> str:
    more = ", portLevelMtls: {" + ports + "}" if ports else ""
    return "".join(
        policy(mode, "default", f", selector: {{matchLabels: {{app: {app}}}}}{more}", app)
        for app in ("mesh", "naked")
    )


def rule(spec: str, host: str = "'*.default.svc.cluster.local'", namespace: str = "default") -> str:
    return (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        f"metadata: {{name: r, namespace: {namespace}}}\nspec: {{host: {host}, {spec}}}\n---\n"
    )


def tls(mode: str) -> str:
    return rule(f"trafficPolicy: {{tls: {{mode: {mode}}}}}")


class Case(NamedTuple):
    """Policies, and when mutual TLS is seen and requests succeed, by (client, server) sidecar."""

    manifests: str
    mtls: Any
    success: Any


def never(client: bool, server: bool) -> bool:
    return False


def always(client: bool, server: bool) -> bool:
    return True


def both(client: bool, server: bool) -> bool:
    return client and server


def target(client: bool, server: bool) -> bool:
    """The server has a sidecar; a naked client speaks plaintext and is let in."""
    return server if client else True


def source(client: bool, server: bool) -> bool:
    """Only a naked client of a meshed server is refused."""
    return client or not server


def alike(client: bool, server: bool) -> bool:
    """What STRICT and ISTIO_MUTUAL give: naked clients fail at meshed servers, meshed clients
    fail at naked ones; two naked ends know nothing of the mesh."""
    return client == server


CASES = {
    "global mtls strict": Case(policy("STRICT") + tls("ISTIO_MUTUAL"), both, alike),
    "global mtls permissive": Case(policy("PERMISSIVE") + tls("ISTIO_MUTUAL"), both, target),
    "global mtls disabled": Case(policy("DISABLE") + tls("DISABLE"), never, always),
    "global plaintext to permissive": Case(policy("PERMISSIVE") + tls("DISABLE"), never, always),
    "global automtls strict": Case(policy("STRICT"), both, source),
    "global automtls disable": Case(policy("DISABLE"), never, always),
    "global automtls passthrough": Case(
        rule("trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}"), both, always
    ),
    "global no peer authn": Case(tls("ISTIO_MUTUAL"), both, target),
    "mtls strict": Case(workload("STRICT") + tls("ISTIO_MUTUAL"), both, alike),
    "mtls permissive": Case(workload("PERMISSIVE") + tls("ISTIO_MUTUAL"), both, target),
    "mtls disabled": Case(workload("DISABLE") + tls("DISABLE"), never, always),
    "mtls port override": Case(
        workload(
            "STRICT", "'8080': {mode: DISABLE}, '9000': {mode: DISABLE}, '8443': {mode: DISABLE}"
        ),
        never,
        always,
    ),
}


def sent(view: Any, name: str, port: int, subset: str = "") -> tuple[bool, bool]:
    """Return (mutual TLS, user's TLS) as the client's cluster and endpoint decide it."""
    cluster = next(
        c
        for c in view.outbound.clusters
        if (c.service.name, c.port, c.subset) == (name, port, subset)
    )
    mode = cluster.policy.tls.mode if cluster.policy.tls else None
    if mode is not None:
        return mode is TlsMode.ISTIO_MUTUAL, mode in (TlsMode.SIMPLE, TlsMode.MUTUAL)
    marks = [m for e in view.outbound.endpoints if e.cluster == cluster.name for m in e.mtls]
    # Without endpoints of its own (original destination) the cluster decides for all.
    return cluster.auto_mtls and (marks[0] if marks else True), False


def taken(view: Any, port: int) -> MtlsMode:
    mode: MtlsMode = next(p.mode.mode for p in view.inbound.ports if p.service_port == port)
    return mode


def arrives(mutual: bool, mode: MtlsMode | None) -> bool:
    if mode is None or mode is MtlsMode.DISABLE:
        return not mutual
    return mutual or mode is MtlsMode.PERMISSIVE


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("server", [True, False], ids=["to-sidecar", "to-naked"])
@pytest.mark.parametrize("client", [True, False], ids=["from-sidecar", "from-naked"])
@pytest.mark.parametrize("name", CASES)
def test_matrix(name: str, client: bool, server: bool, port: str, build: Any) -> None:
    case = CASES[name]
    base = BASE.format(name="mesh", inject="x: y") + BASE.format(
        name="naked", inject='sidecar.istio.io/inject: "false"'
    )
    built = build(base + case.manifests)
    callee, number = "mesh" if server else "naked", PORTS[port]
    mutual = sent(built.view("mesh"), callee, number)[0] if client else False
    mode = taken(built.view("mesh"), number) if server else None
    assert arrives(mutual, mode) is case.success(client, server)
    assert (mutual and arrives(mutual, mode)) is case.mtls(client, server)


MIGRATION = """
apiVersion: v1
kind: Service
metadata: {name: multi, namespace: default}
spec:
  selector: {app: multi}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 9000},
          {name: https, port: 443, targetPort: 8443}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: sidecared, namespace: default}
spec:
  selector: {matchLabels: {app: multi, version: vistio}}
  template:
    metadata: {labels: {app: multi, version: vistio}}
    spec: {containers: [{name: app, image: echo}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: legacy, namespace: default}
spec:
  selector: {matchLabels: {app: multi, version: vlegacy}}
  template:
    metadata: {labels: {app: multi, version: vlegacy, sidecar.istio.io/inject: "false"}}
    spec: {containers: [{name: app, image: echo}]}
---
"""
SUBSETS = """subsets: [{name: vistio, labels: {version: vistio}},
    {name: vlegacy, labels: {version: vlegacy}}]"""
HOST = "multi.default.svc.cluster.local"


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize(
    ("spec", "mutual", "reached"),
    [
        ("", {"vistio"}, {"vistio", "vlegacy"}),
        ("trafficPolicy: {tls: {mode: DISABLE}}, ", set(), {"vlegacy"}),
        ("trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}, ", {"vistio"}, {"vistio"}),
    ],
    ids=["migration no tls", "migration tls disabled", "migration tls mutual"],
)
def test_migration(spec: str, mutual: set[str], reached: set[str], port: str, build: Any) -> None:
    built = build(MIGRATION + policy("STRICT", "default") + rule(spec + SUBSETS, HOST))
    view, number = built.view("sidecared"), PORTS[port]
    seen, arrived = set(), set()
    for subset in ("vistio", "vlegacy"):
        by_mtls = sent(view, "multi", number, subset)[0]
        mode = taken(view, number) if subset == "vistio" else None
        if arrives(by_mtls, mode):
            arrived.add(subset)
            if by_mtls:
                seen.add(subset)
    assert (seen, arrived) == (mutual, reached)


def test_there_are_fifteen_cases() -> None:
    assert len(CASES) + 3 == 15
