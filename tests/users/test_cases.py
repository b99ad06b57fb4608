"""What users of Istio suffered from, as folders of manifests: the symptom is foretold, the cause is
named with its line, and where a change of a manifest mends it, that was tried.

Each case is one of those that people asked about in public (the numbers are those of the list the
project keeps): the rules are written anew, the workloads are the same for all.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lateen.app.foresight import offline
from lateen.app.lab.settings import LabSettings
from lateen.model.labapi.explain import ExplainRequest
from lateen.model.manifests import reader

WORKLOADS = (Path(__file__).parent / "workloads.yaml").read_text(encoding="utf-8")
CLIENT, NAKED, OUTSIDE = "deploy/client", "deploy/naked", "outside"
STRICT = """\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec:
  mtls:
    mode: STRICT
---
"""
GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.example]
---
"""


SECURE = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts:
    - shop.example
    tls: {mode: SIMPLE, credentialName: shop}
"""


@dataclass(frozen=True)
class UserCase:
    """Rules, a request, and what must be said: status or error, class, the line of `rules.yaml`
    that decided, and the first remedy (empty where no manifest mends it)."""

    title: str
    rules: str
    origin: str
    url: str
    status: int | None
    code: str
    line: int = 0
    remedy: str = ""
    asked: tuple[tuple[str, Any], ...] = ()


CASES = (
    UserCase(
        "a client without a sidecar calls a STRICT service",
        STRICT,
        NAKED,
        "http://api/",
        None,
        "plaintext-to-strict",
        6,
        "give the client a sidecar",
    ),
    UserCase(
        "a DestinationRule DISABLE meets STRICT",
        STRICT
        + """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api
  trafficPolicy:
    tls:
      mode: DISABLE
""",
        CLIENT,
        "http://api/",
        503,
        "plaintext-to-strict",
        6,
        "let the client's proxy use mutual TLS",
    ),
    UserCase(
        "a subset's policy takes the place of the rule's TLS",
        STRICT
        + """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}
  subsets:
  - name: v1
    labels: {version: v1}
    trafficPolicy:
      tls: {mode: DISABLE}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api]
  http: [{route: [{destination: {host: api, subset: v1}}]}]
""",
        CLIENT,
        "http://api/",
        503,
        "plaintext-to-strict",
        6,
        "let the client's proxy use mutual TLS",
    ),
    UserCase(
        "ISTIO_MUTUAL for every host reaches one without a sidecar",
        """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: all, namespace: istio-system}
spec:
  host: "*.local"
  trafficPolicy:
    tls:
      mode: ISTIO_MUTUAL
""",
        CLIENT,
        "http://legacy/",
        503,
        "tls-to-plaintext",
        7,
        "give the server a sidecar",
    ),
    UserCase(
        "the application's https on a port that is declared http",
        "",
        CLIENT,
        "https://api:80/",
        None,
        "tls-to-http-port",
        asked=(("insecure", True),),
    ),
    UserCase(
        "no SNI that the gateway has",
        SECURE,
        OUTSIDE,
        "https://other.example/",
        None,
        "no-matching-server",
    ),
    UserCase(
        "a subset that no DestinationRule defines",
        GATEWAY
        + """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example]
  gateways: [edge]
  http:
  - route:
    - destination:
        host: api
        subset: v9
        port: {number: 80}
""",
        OUTSIDE,
        "http://shop.example/",
        503,
        "no-such-destination",
        17,
        "send it to all pods of the Service",
    ),
    UserCase(
        "a subset whose labels select no pod",
        """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api
  subsets:
  - name: v2
    labels: {version: v2}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api]
  http:
  - route:
    - destination:
        host: api
        subset: v2
""",
        CLIENT,
        "http://api/",
        503,
        "no-healthy-endpoints",
        7,
        "send it to all pods of the Service",
    ),
    UserCase(
        "from and to as two rules let everybody in",
        """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/admin]}}]
  - to: [{operation: {methods: [GET]}}]
""",
        NAKED,
        "http://api/",
        200,
        "ok",
        8,
    ),
    UserCase(
        "a DENY by namespace does not meet a client without identity",
        """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  action: DENY
  rules:
  - from: [{source: {namespaces: [default]}}]
""",
        NAKED,
        "http://api/",
        200,
        "ok",
    ),
    UserCase(
        "the shorter prefix comes first",
        GATEWAY
        + """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example]
  gateways: [edge]
  http:
  - name: policy
    match: [{uri: {prefix: /policy}}]
    directResponse: {status: 200}
  - name: author
    match: [{uri: {prefix: /policy-author}}]
    directResponse: {status: 201}
""",
        OUTSIDE,
        "http://shop.example/policy-author",
        200,
        "ok",
        18,
    ),
    UserCase(
        "a host that no VirtualService serves",
        GATEWAY
        + """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts:
  - www.shop.example
  gateways: [edge]
  http: [{route: [{destination: {host: api, port: {number: 80}}}]}]
""",
        OUTSIDE,
        "http://shop.example/",
        404,
        "no-route",
        remedy="serve shop.example too",
    ),
    UserCase(
        "HTTP/1.0",
        GATEWAY,
        OUTSIDE,
        "http://shop.example/",
        426,
        "http-1.0",
        asked=(("http", "1.0"),),
    ),
    UserCase(
        "the fault comes before the retries",
        """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api]
  http:
  - fault:
      abort: {percentage: {value: 100}, httpStatus: 503}
    retries: {attempts: 3, retryOn: 5xx}
    route: [{destination: {host: api}}]
""",
        CLIENT,
        "http://api/",
        503,
        "fault-injected",
        7,
        "if it is no longer wanted, take the fault away",
    ),
    UserCase(
        "portLevelMtls counts workloads' ports: a Service's own number does nothing",
        """\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  mtls: {mode: PERMISSIVE}
  portLevelMtls:
    8000: {mode: STRICT}
""",
        NAKED,
        "http://api/",
        200,
        "ok",
    ),
    UserCase(
        "a pod's address under STRICT goes past the mesh",
        STRICT,
        CLIENT,
        "http://{api}/",
        503,
        "plaintext-to-strict",
        6,
        "let the server accept plaintext too",
    ),
)


def explained(case: UserCase) -> tuple[Any, dict[str, str]]:
    files = {"workloads.yaml": WORKLOADS, "rules.yaml": case.rules}
    items = [
        offline.Item(placed(each.body), each.locate, file, each.line)
        for file, text in files.items()
        for each in reader.parse(text, file).manifests
    ]
    settings = LabSettings(lab="files", istio="1.32", user=0)
    url = case.url
    if "{api}" in url:
        made = offline.rehearsal.Rehearsal(items, settings).snapshot()
        pods = made.pods.values()
        url = url.format(api=next(p.status.pod_ip for p in pods if p.metadata.name[:3] == "api"))
    asked = {"url": url, "from": case.origin, **dict(case.asked)}
    wanted = msgspec.convert(asked, ExplainRequest)
    return offline.explain(items, settings, wanted, files), files


def placed(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {"namespace": "default", **body["metadata"]}}


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_a_user_s_case_is_foretold(case: UserCase) -> None:
    told, _ = explained(case)
    (branch,) = told["branches"]
    outcome = branch["outcome"]
    assert (outcome["status"], outcome["code"]) == (case.status, case.code)
    if case.line:
        places = [source["location"] for source in outcome["sources"]]
        assert f"rules.yaml:{case.line}" in places
    remedies = [each["title"] for each in told.get("remedies", ())]
    assert remedies[:1] == [case.remedy] * bool(case.remedy)


def test_most_failures_have_a_remedy() -> None:
    """Printing none is no success: how many have one is counted."""
    failing = [case for case in CASES if case.code not in ("ok", "http-1.0")]
    assert sum(1 for case in failing if case.remedy) >= 8, f"of {len(failing)}"
