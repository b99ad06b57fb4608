"""AuthorizationPolicies on real proxies: each field against requests that differ in it alone."""

import contextlib
import json
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import programs
from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e

HOST = "server.default.svc.cluster.local"
HTTP, TCP = f"http://{HOST}", f"https://{HOST}:9000"
FRIEND, STRANGER, NAKED = "deploy/friend", "deploy/stranger -n abroad", "deploy/naked"
EVERYONE = (FRIEND, STRANGER, NAKED)
CLOSED = "000"
"""What curl makes of a connection that was closed."""


class Mesh:
    """The lab of this module."""

    def __init__(self, lab: Lab, url: str) -> None:
        self.lab, self.url = lab, url

    def codes(self, origin: str, *requests: str) -> list[str]:
        """Send requests, each curl's arguments, and return the statuses."""
        words = "curl -sk -m 10 -o /dev/null -w '%{http_code}\\n'"
        if origin == "outside":
            programs.require("curl")
            lines = "; ".join(f"{words} {r.replace(HTTP, self.url)}" for r in requests)
            return str(self.lab.run("sh", "-c", lines).stdout).split()
        lines = "; ".join(f"{words} {request}" for request in requests)
        return str(
            self.lab.lateen("exec", *origin.split(), "-c", "curl", "--", "sh", "-c", lines).stdout
        ).split()

    def address(self, label: str) -> str:
        """Return the address of the pod with a label."""
        found = json.loads(self.lab.ok("get", "pods", "-A", "-l", label, "-o", "json"))["items"]
        return str(found[0]["status"]["podIP"])


@pytest.fixture(scope="module")
def mesh(make_lab: Callable[..., Lab]) -> Mesh:
    lab = make_lab("authz")
    up = lab.lateen("up", str(Path(__file__).parent / "authorization"))
    assert up.returncode == 0, up.stderr + lab.logs()
    gateways = json.loads(lab.ok("status", "-o", "json"))["gateways"]
    return Mesh(lab, next(u for g in gateways for u in g["urls"] if u.startswith("http:")))


@contextlib.contextmanager
def policies(mesh: Mesh, *specs: dict[str, Any], **metadata: Any) -> Iterator[None]:
    """Apply policies for the server, unless they say for whom, and take them back."""
    bodies = [
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": f"p{number}", **metadata},
            "spec": {"selector": {"matchLabels": {"app": "server"}}, **spec},
        }
        for number, spec in enumerate(specs)
    ]
    text = "---\n".join(json.dumps(body) + "\n" for body in bodies)
    mesh.lab.ok("apply", "-f", "-", stdin=text)
    try:
        yield
    finally:
        mesh.lab.ok("delete", "-f", "-", stdin=text)


def expect(mesh: Mesh, wanted: dict[str, dict[str, int | str]]) -> None:
    """Wait until requests, by who sends them, are answered as they must be."""
    deadline = time.monotonic() + 10
    expected = {who: [str(code) for code in asked.values()] for who, asked in wanted.items()}
    while True:
        found = {who: mesh.codes(who, *asked) for who, asked in wanted.items()}
        if found == expected:
            return
        assert time.monotonic() < deadline, (found, expected)
        time.sleep(0.05)


def rule(source: Any = None, operation: Any = None, **more: Any) -> dict[str, Any]:
    """A rule with one source and one operation."""
    made = dict(more)
    if source is not None:
        made["from"] = [{"source": source}]
    if operation is not None:
        made["to"] = [{"operation": operation}]
    return made


def test_principals_need_mutual_tls(mesh: Mesh) -> None:
    friend = {"principals": ["cluster.local/ns/default/sa/friend"]}
    with policies(mesh, {"rules": [rule(friend)]}):
        expect(mesh, {FRIEND: {HTTP: 200}, STRANGER: {HTTP: 403}, NAKED: {HTTP: 403}})
    with policies(mesh, {"rules": [rule({"principals": ["*"]})]}):
        expect(mesh, {FRIEND: {HTTP: 200}, STRANGER: {HTTP: 200}, NAKED: {HTTP: 403}})


def test_accounts_and_trust_domains(mesh: Mesh) -> None:
    with policies(mesh, {"rules": [rule({"serviceAccounts": ["friend", "abroad/nobody"]})]}):
        expect(mesh, {FRIEND: {HTTP: 200}, STRANGER: {HTTP: 403}, NAKED: {HTTP: 403}})
    with policies(mesh, {"rules": [rule({"trustDomains": ["cluster.local"]})]}):
        expect(mesh, {FRIEND: {HTTP: 200}, STRANGER: {HTTP: 200}, NAKED: {HTTP: 403}})


def test_without_mutual_tls_a_namespace_is_not_refused(mesh: Mesh) -> None:
    with policies(mesh, {"action": "DENY", "rules": [rule({"namespaces": ["abroad"]})]}):
        expect(mesh, {FRIEND: {HTTP: 200}, STRANGER: {HTTP: 403}, NAKED: {HTTP: 200}})
    with policies(mesh, {"rules": [rule({"notNamespaces": ["abro*"]})]}):
        expect(mesh, {FRIEND: {HTTP: 200}, STRANGER: {HTTP: 403}, NAKED: {HTTP: 200}})


def test_methods_and_paths(mesh: Mesh) -> None:
    operation = {"methods": ["GET"], "paths": ["/public*", "/{*}/x/{**}", "*.css"]}
    with policies(mesh, {"rules": [rule(operation=operation)]}):
        expect(
            mesh,
            {
                FRIEND: {
                    f"{HTTP}/public": 200,
                    f"{HTTP}/public/a?b=c": 200,
                    f"-X POST {HTTP}/public": 403,
                    f"{HTTP}/private": 403,
                    f"{HTTP}/private?x=/public": 403,
                    f"{HTTP}/a/x/": 200,
                    f"{HTTP}/a/x/b/c": 200,
                    f"{HTTP}/a/b/x/c": 403,
                    f"{HTTP}//x/c": 403,
                    f"{HTTP}/a/b.css": 200,
                    f"--path-as-is {HTTP}/private/../public": 200,
                }
            },
        )


def test_hosts_and_headers(mesh: Mesh) -> None:
    host = rule(operation={"hosts": ["SERVER.*", "server"]}, when=[])
    role = {"key": "request.headers[x-role]", "values": ["adm*"], "notValues": ["admiral"]}
    with policies(mesh, {"rules": [{**host, "when": [role]}]}):
        expect(
            mesh,
            {
                FRIEND: {
                    f"-H 'x-role: admin' {HTTP}": 200,
                    f"-H 'x-role: admiral' {HTTP}": 403,
                    HTTP: 403,
                    f"-H 'x-role: admin' {HTTP.removesuffix('.default.svc.cluster.local')}": 200,
                }
            },
        )


def test_an_authorizer_decides(mesh: Mesh) -> None:
    """Over HTTP and over gRPC, asked only about what the rules match; what it says of an allowed
    request reaches the application, and a rule of DENY holds beside it."""
    asked = [rule(operation={"paths": ["/admin*"]})]
    allow, deny = "-H 'x-ext-authz: allow'", "-H 'x-ext-authz: deny'"
    custom = {"action": "CUSTOM", "rules": asked}
    with policies(mesh, {**custom, "provider": {"name": "http"}}):
        answers: dict[str, int | str] = {
            HTTP: 200,
            f"{HTTP}/admin": 403,
            f"{allow} {HTTP}/admin": 200,
            f"{deny} {HTTP}/admin": 403,
            TCP: 200,
        }
        expect(mesh, {FRIEND: answers, NAKED: {f"{HTTP}/admin": 403}})
        expect(mesh, {"outside": {f"{allow} {HTTP}/admin": 200, f"{HTTP}/admin": 403}})
        words = f"curl -s {allow} {HTTP}/admin"
        told = mesh.lab.lateen("exec", *FRIEND.split(), "-c", "curl", "--", "sh", "-c", words)
        assert '"x-ext-authz-check-result": "allowed"' in told.stdout
    with policies(mesh, {**custom, "provider": {"name": "grpc"}}):
        answers = {f"{HTTP}/admin": 200, f"{deny} {HTTP}/admin": 403}
        expect(mesh, {FRIEND: answers, STRANGER: {f"{HTTP}/admin": 403, HTTP: 200}})
    everything = {"action": "CUSTOM", "provider": {"name": "grpc"}, "rules": [{}]}
    with policies(mesh, everything):
        expect(mesh, {FRIEND: {TCP: 200}, STRANGER: {TCP: CLOSED}})
        origin = ("--from", "deploy/stranger", "--namespace", "abroad")
        asked_for = mesh.lab.lateen("curl", "-k", TCP, *origin, "-o", "json")
        assert json.loads(asked_for.stdout)["verdict"]["code"] == "ext-authz-denied"
    never = {"action": "DENY", "rules": asked}
    with policies(mesh, {**custom, "provider": {"name": "http"}}, never):
        expect(mesh, {FRIEND: {f"{allow} {HTTP}/admin": 403, HTTP: 200}})


def test_an_authorizer_that_is_not_there(mesh: Mesh) -> None:
    custom = {"action": "CUSTOM", "rules": [rule(operation={"paths": ["/admin"]})]}
    for provider, status in (("gone", 503), ("open", 200), ("unheard-of", 403)):
        with policies(mesh, {**custom, "provider": {"name": provider}}):
            expect(mesh, {FRIEND: {f"{HTTP}/admin": status, HTTP: 200}})


def test_a_gateway_asks(mesh: Mesh) -> None:
    everything = {"selector": {"matchLabels": {"istio": "ingressgateway"}}, "action": "CUSTOM"}
    named = {**everything, "provider": {"name": "http"}, "rules": [{}]}
    with policies(mesh, named, namespace="istio-system"):
        allow = "-H 'x-ext-authz: allow'"
        expect(mesh, {"outside": {f"{allow} {HTTP}": 200, HTTP: 403}, FRIEND: {HTTP: 200}})


def test_ports_are_the_workloads(mesh: Mesh) -> None:
    with policies(mesh, {"action": "DENY", "rules": [rule(operation={"ports": ["8080"]})]}):
        expect(mesh, {FRIEND: {HTTP: 403, TCP: 200}})
    with policies(mesh, {"action": "DENY", "rules": [rule(operation={"ports": ["80", "9000"]})]}):
        expect(mesh, {FRIEND: {HTTP: 200, TCP: 200}})


def test_addresses_of_the_peer_and_of_the_client(mesh: Mesh) -> None:
    friend, gateway = mesh.address("app=friend"), mesh.address("istio=ingressgateway")
    with policies(mesh, {"action": "DENY", "rules": [rule({"ipBlocks": [friend, gateway]})]}):
        expect(mesh, {FRIEND: {HTTP: 403, TCP: CLOSED}, NAKED: {HTTP: 200}, "outside": {HTTP: 403}})
    pods = f"{friend}/16"
    with policies(mesh, {"action": "DENY", "rules": [rule({"remoteIpBlocks": [pods]})]}):
        expect(mesh, {FRIEND: {HTTP: 403}, "outside": {HTTP: 200}})


def test_nothing_and_everything(mesh: Mesh) -> None:
    with policies(mesh, {}):
        expect(mesh, {who: {HTTP: 403, TCP: CLOSED} for who in EVERYONE})
    with policies(mesh, {}, {"rules": [{}]}):
        expect(mesh, {who: {HTTP: 200, TCP: 200} for who in EVERYONE})
    with policies(
        mesh, {"rules": [{}]}, {"action": "DENY", "rules": [rule({"principals": ["*"]})]}
    ):
        expect(mesh, {FRIEND: {HTTP: 403, TCP: CLOSED}, NAKED: {HTTP: 200, TCP: 200}})


def test_what_http_rules_do_to_tcp(mesh: Mesh) -> None:
    friend = {"principals": ["cluster.local/ns/default/sa/friend"]}
    with policies(mesh, {"rules": [rule(friend)]}):
        expect(mesh, {FRIEND: {TCP: 200}, STRANGER: {TCP: CLOSED}, NAKED: {TCP: CLOSED}})
    with policies(mesh, {"rules": [rule(friend, {"paths": ["*"]})]}):
        expect(mesh, {FRIEND: {HTTP: 200, TCP: CLOSED}})
    with policies(mesh, {"action": "DENY", "rules": [rule(operation={"methods": ["TRACE"]})]}):
        expect(mesh, {FRIEND: {HTTP: 200, TCP: CLOSED}})
    only = {"methods": ["TRACE"], "ports": ["8080"]}
    with policies(mesh, {"action": "DENY", "rules": [rule(operation=only)]}):
        expect(mesh, {FRIEND: {HTTP: 200, f"-X TRACE {HTTP}": 403, TCP: 200}})


def test_tokens_are_never_there(mesh: Mesh) -> None:
    with policies(mesh, {"rules": [rule({"requestPrincipals": ["*"]})]}):
        expect(mesh, {FRIEND: {HTTP: 403, f"-H 'authorization: Bearer x' {HTTP}": 403}})
    with policies(mesh, {"rules": [rule({"notRequestPrincipals": ["*"]})]}):
        expect(mesh, {FRIEND: {HTTP: 200}})


def test_custom_refuses_and_audit_does_nothing(mesh: Mesh) -> None:
    admin = rule(operation={"paths": ["/admin*"]})
    custom = {"action": "CUSTOM", "provider": {"name": "opa"}, "rules": [admin]}
    with policies(mesh, custom, {"action": "AUDIT", "rules": [{}]}):
        expect(mesh, {FRIEND: {HTTP: 200, f"{HTTP}/admin": 403}})


def test_a_dry_run_is_counted(mesh: Mesh) -> None:
    notes = {"istio.io/dry-run": "true"}
    with policies(mesh, {"action": "DENY", "rules": [{}]}, annotations=notes):
        expect(mesh, {FRIEND: {HTTP: 200, TCP: 200}})
        stats = "curl -s 'http://127.0.0.1:15000/stats?filter=istio_dry_run_deny_.shadow_denied'"
        exec_in = ("exec", "deploy/server", "-c", "istio-proxy", "--", *shlex.split(stats))
        counted = mesh.lab.ok(*exec_in).split()
        assert any(int(word) > 0 for word in counted if word.isdigit()), counted


def test_a_gateway_refuses_before_it_routes(mesh: Mesh) -> None:
    edge = {"selector": {"matchLabels": {"istio": "ingressgateway"}}, "action": "DENY"}
    spec = {**edge, "rules": [rule(operation={"paths": ["/admin"]})]}
    with policies(mesh, spec, namespace="istio-system"):
        expect(mesh, {"outside": {HTTP: 200, f"{HTTP}/admin": 403}, FRIEND: {f"{HTTP}/admin": 200}})


def test_the_root_namespace_is_for_all(mesh: Mesh) -> None:
    spec = {"selector": {}, "action": "DENY", "rules": [rule(operation={"paths": ["/secret"]})]}
    with policies(mesh, spec, namespace="istio-system"):
        secret = f"{HTTP}/secret"
        expect(mesh, {"outside": {secret: 403, HTTP: 200}, FRIEND: {secret: 403, HTTP: 200}})
