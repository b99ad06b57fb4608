"""What a Gateway's server can be: HTTPS (SIMPLE, MUTUAL, TLS versions, redirect), TLS PASSTHROUGH
and TCP, on the walkthrough's own workloads."""

import datetime
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lateen.base.clock import SystemClock
from tests.e2e.labs import WALKTHROUGH, Lab

pytestmark = pytest.mark.e2e

BACKEND = "helloworld.default.svc.cluster.local"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: str
    key: str
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issue(name: str, by: Pair | None = None, names: tuple[str, ...] = ()) -> Pair:
    """Make a certificate; without an issuer it is a root."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = SystemClock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.issuer[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if names:
        alternatives = [x509.DNSName(each) for each in names]
        made = made.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    signed = made.sign(by.issuer[1] if by else key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(signed.public_bytes(pem).decode(), private.decode(), (signed, key))


def revoking(root: Pair, revoked: Pair) -> str:
    """Return a root's list of revoked certificates, PEM, with one on it."""
    now = SystemClock().now()
    entry = x509.RevokedCertificateBuilder().serial_number(revoked.issuer[0].serial_number)
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.issuer[0].subject)
        .last_update(now - datetime.timedelta(hours=1))
        .next_update(now + datetime.timedelta(days=1))
        .add_revoked_certificate(entry.revocation_date(now).build())
    )
    signed = made.sign(root.issuer[1], hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def secret(name: str, kind: str = "Opaque", **data: str) -> str:
    fields = {key.replace("_", "."): value for key, value in data.items()}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": "istio-system"},
            "type": kind,
            "stringData": fields,
        }
    )


SERVERS = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: simple, protocol: HTTPS}
    tls: {mode: SIMPLE, credentialName: simple}
    hosts: [simple.example]
  - port: {number: 443, name: mutual, protocol: HTTPS}
    tls: {mode: MUTUAL, credentialName: mutual}
    hosts: [mutual.example]
  - port: {number: 443, name: newest, protocol: HTTPS}
    tls: {mode: SIMPLE, credentialName: simple, minProtocolVersion: TLSV1_3}
    hosts: [newest.example]
  - port: {number: 443, name: oldest, protocol: HTTPS}
    tls: {mode: SIMPLE, credentialName: simple, maxProtocolVersion: TLSV1_2}
    hosts: [oldest.example]
  - port: {number: 443, name: pass, protocol: TLS}
    tls: {mode: PASSTHROUGH}
    hosts: [pass.example, pass-mtls.example]
  - port: {number: 80, name: http, protocol: HTTP}
    tls: {httpsRedirect: true}
    hosts: [simple.example]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: secure}
spec:
  hosts: [simple.example, mutual.example, newest.example, oldest.example]
  gateways: [secure]
  http:
  - rewrite: {uri: /}
    route:
    - destination: {host: %(backend)s, port: {number: 8080}, subset: mtls}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: pass}
spec:
  hosts: [pass.example, pass-mtls.example]
  gateways: [secure]
  tls:
  - match: [{port: 443, sniHosts: [pass.example]}]
    route: [{destination: {host: %(backend)s, port: {number: 8443}, subset: nomtls}}]
  - match: [{port: 443, sniHosts: [pass-mtls.example]}]
    route: [{destination: {host: %(backend)s, port: {number: 8443}, subset: mtls}}]
---
# The walkthrough's rule without its TLS to port 8443: the client's TLS goes through as it is.
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: %(backend)s}
spec:
  host: %(backend)s
  subsets:
  - {name: mtls, labels: {mtls: "true"}}
  - {name: nomtls, labels: {mtls: "false"}}
""".replace("%(backend)s", BACKEND)
TCP = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: helloworld-gateway}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: tcp, protocol: TCP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: helloworld-vs}
spec:
  hosts: ["*"]
  gateways: [helloworld-gateway]
  tcp:
  - match: [{port: 80}]
    route: [{destination: {host: %s, port: {number: %d}, subset: %s}}]
"""


@dataclass(frozen=True)
class Entrance:
    """The lab and where its gateway listens on the host."""

    lab: Lab
    root: Path
    client: tuple[Path, Path]
    stranger: tuple[Path, Path]
    revoked: tuple[Path, Path]
    http: tuple[str, int]
    https: tuple[str, int]

    def curl(self, url: str, *args: str) -> str:
        """Send a request to the gateway under a name of one's own; returns body, then status."""
        plain, secure = self.http, self.https
        to = [f"::{plain[0]}:{plain[1]}"] if url.startswith("http:") else []
        to = to or [f"::{secure[0]}:{secure[1]}"]
        done = self.lab.run(
            "curl", "-sS", "-m", "10", "--connect-to", to[0], "-w", "\n%{http_code}", *args, url
        )
        return f"{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def entrance(make_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Entrance:
    root, other = issue("the root"), issue("another root")
    names = ("simple.example", "mutual.example", "newest.example", "oldest.example")
    server = issue("server", root, names)
    revoked = issue("one who left", root)
    lab = make_lab("gates")
    up = lab.lateen("up", str(WALKTHROUGH), "--istio", "1.17")
    assert up.returncode == 0, up.stderr + lab.logs()
    made = [
        secret("simple", "kubernetes.io/tls", tls_crt=server.certificate, tls_key=server.key),
        secret(
            "mutual",
            tls_crt=server.certificate,
            tls_key=server.key,
            ca_crt=root.certificate,
            ca_crl=revoking(root, revoked),
        ),
        SERVERS,
    ]
    lab.ok("apply", "-f", "-", stdin="\n---\n".join(made))
    lab.ok("delete", "gateway", "helloworld-gateway")
    files = tmp_path_factory.mktemp("tls")

    def kept(name: str, pair: Pair) -> tuple[Path, Path]:
        for suffix, text in (("crt", pair.certificate), ("key", pair.key)):
            (files / f"{name}.{suffix}").write_text(text)
        return files / f"{name}.crt", files / f"{name}.key"

    urls = json.loads(lab.ok("status", "-o", "json"))["gateways"][0]["urls"]

    def at(scheme: str) -> tuple[str, int]:
        found = next(u for u in urls if u.startswith(f"{scheme}://")).removeprefix(f"{scheme}://")
        host, _, port = found.partition(":")
        return host, int(port or {"http": 80, "https": 443}[scheme])

    return Entrance(
        lab,
        kept("root", root)[0],
        kept("client", issue("a client", root)),
        kept("stranger", issue("a stranger", other)),
        kept("revoked", revoked),
        at("http"),
        at("https"),
    )


def test_simple_shows_the_secret_and_serves(entrance: Entrance) -> None:
    answer = entrance.curl("https://simple.example/", "--cacert", str(entrance.root))
    assert answer == "<h2>Howdy</h2>\n\n200", answer


def test_mutual_asks_for_a_certificate(entrance: Entrance) -> None:
    def ask(pair: tuple[Path, Path] | None) -> str:
        own = ["--cert", str(pair[0]), "--key", str(pair[1])] if pair else []
        return entrance.curl("https://mutual.example/", "--cacert", str(entrance.root), *own)

    assert ask(entrance.client).endswith("</h2>\n\n200")
    for refused in (ask(None), ask(entrance.stranger), ask(entrance.revoked)):
        assert "\n000" in refused, refused


@pytest.mark.parametrize(
    ("host", "version", "works"),
    [
        ("newest", ssl.TLSVersion.TLSv1_2, False),
        ("newest", ssl.TLSVersion.TLSv1_3, True),
        ("oldest", ssl.TLSVersion.TLSv1_2, True),
        ("oldest", ssl.TLSVersion.TLSv1_3, False),
        ("simple", ssl.TLSVersion.TLSv1_2, True),
        ("simple", ssl.TLSVersion.TLSv1_3, True),
    ],
)
def test_tls_versions_are_kept_to(
    entrance: Entrance, host: str, version: ssl.TLSVersion, works: bool
) -> None:
    word = {ssl.TLSVersion.TLSv1_2: "1.2", ssl.TLSVersion.TLSv1_3: "1.3"}[version]
    args = ("--cacert", str(entrance.root), f"--tlsv{word}", "--tls-max", word)
    answer = entrance.curl(f"https://{host}.example/", *args)
    assert answer.endswith("\n200") is works, answer


def test_an_unknown_name_gets_no_certificate(entrance: Entrance) -> None:
    answer = entrance.curl("https://unknown.example/", "-k")
    assert "\n000" in answer, answer


def test_plain_http_is_sent_to_https(entrance: Entrance) -> None:
    answer = entrance.curl("http://simple.example/x", "-o", "/dev/null", "-w", "%{redirect_url}")
    assert answer == "https://simple.example/x"


@pytest.mark.parametrize("host", ["pass.example", "pass-mtls.example"])
def test_passthrough_shows_the_backends_own_certificate(entrance: Entrance, host: str) -> None:
    """To a plaintext pod as it is, to a sidecar inside its mutual TLS: the client cannot tell."""
    answer = entrance.curl(f"https://{host}/", "-k")
    assert answer == "<h2>Howdy</h2>\n\n200", answer
    shown = entrance.curl(f"https://{host}/", "-kv")
    assert "the root" not in shown
    subject = [line for line in shown.splitlines() if "subject:" in line]
    direct = entrance.lab.ok(
        "exec",
        "deploy/helloworld-nomtls",
        "-c",
        "helloworld-nomtls",
        "--",
        "sh",
        "-c",
        "curl -skv https://127.0.0.1/ 2>&1",
    )
    assert subject == [line for line in direct.splitlines() if "subject:" in line]


@pytest.mark.parametrize(
    ("port", "subset", "scheme"),
    [(8080, "mtls", "http"), (8080, "nomtls", "http"), (8443, "nomtls", "https")],
)
def test_tcp_forwards_whatever_is_said(
    entrance: Entrance, port: int, subset: str, scheme: str
) -> None:
    entrance.lab.ok("delete", "gateway", "secure", "--ignore-not-found")
    entrance.lab.ok("apply", "-f", "-", stdin=TCP % (BACKEND, port, subset))
    address, number = entrance.http
    answer = entrance.lab.fetch("-k", f"{scheme}://{address}:{number}/")
    assert answer == (200, "<h2>Howdy</h2>\n")
