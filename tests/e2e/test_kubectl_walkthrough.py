"""The walkthrough's document, run through the real kubectl and compared with what it shows.

Commands and expected texts are the document's. What differs from machine to machine (generated
names, ages, addresses, ports, packet sizes) is compared by its shape.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests import programs
from tests.e2e.labs import USERS, WALKTHROUGH, Lab, kubectl_path

pytestmark = pytest.mark.e2e

ISTIO = "1.17"
"""The document's own version: its proxies tell it in x-envoy-peer-metadata."""
ORDER = (
    "Service",
    "PeerAuthentication",
    "Deployment",
    "Gateway",
    "VirtualService",
    "DestinationRule",
)
"""The document's output follows its files' names; these numbers give the same order."""
APPLIED = """\
service/helloworld created
peerauthentication.security.istio.io/disable-mtls created
peerauthentication.security.istio.io/force-mtls created
deployment.apps/helloworld-mtls created
deployment.apps/helloworld-nomtls created
gateway.networking.istio.io/helloworld-gateway created
virtualservice.networking.istio.io/helloworld-vs created
destinationrule.networking.istio.io/helloworld.default.svc.cluster.local created
"""
DELETED = """\
service "helloworld" deleted
peerauthentication.security.istio.io "disable-mtls" deleted
peerauthentication.security.istio.io "force-mtls" deleted
deployment.apps "helloworld-mtls" deleted
deployment.apps "helloworld-nomtls" deleted
gateway.networking.istio.io "helloworld-gateway" deleted
virtualservice.networking.istio.io "helloworld-vs" deleted
destinationrule.networking.istio.io "helloworld.default.svc.cluster.local" deleted
"""
BALANCER = "kubectl get svc -l istio=ingressgateway -A"
COLUMNS = "NAMESPACE NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE"
BALANCER_ROW = (
    r"istio-system istio-ingressgateway LoadBalancer (?P<cluster>[\d.]+) (?P<external>[\d.]+) "
    r"15021:\d{5}/TCP,80:\d{5}/TCP,443:\d{5}/TCP \d+s"
)
CAPTURE = (
    'PORT={port} && MTLS="{mtls}" && kubectl exec -n default  '
    '"$(kubectl get pod -n default -l app=helloworld -l mtls=${{MTLS}} '
    '-o jsonpath={{.items..metadata.name}})" '
    "-c istio-proxy -- sudo tcpdump dst port ${{PORT}} -A"
)
BANNER = """\
tcpdump: verbose output suppressed, use -v[v]... for full protocol decode
listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes
"""
PACKET = (
    r"^\d\d:\d\d:\d\d\.\d{{6}} IP "
    r"[\d-]+\.istio-ingressgateway\.istio-system\.svc\.cluster\.local\.\d+ > "
    r"helloworld-{app}-[0-9a-z]+-[0-9a-z]+\.{service}: Flags \[{flags}\], .*, length \d+"
)
HOWDY = "<h2>Howdy</h2>\n"
TERMINATED = (
    "upstream connect error or disconnect/reset before headers. "
    "reset reason: connection termination"
)
HEADERS = """\
host
user-agent
accept
x-forwarded-for
x-forwarded-proto
x-envoy-internal
x-request-id
x-envoy-decorator-operation
x-envoy-peer-metadata
x-envoy-peer-metadata-id
x-envoy-attempt-count
x-envoy-original-path
x-b3-traceid
x-b3-spanid
x-b3-sampled
"""
"""What the document's packet shows of the request that went in plaintext."""


@dataclass(frozen=True)
class Scene:
    """One capture of the document, the request during it, and what both show."""

    path: str
    port: int
    mtls: str
    answer: str
    plain: bool = False

    @property
    def app(self) -> str:
        return "mtls" if self.mtls == "true" else "nomtls"

    @property
    def service(self) -> str:
        return {80: "http", 443: "https"}[self.port]


SCENES = (
    Scene("/http-no-mTLS", 80, "false", HOWDY, plain=True),
    Scene("/https-no-mTLS", 443, "false", HOWDY),
    Scene("/http-mTLS", 80, "true", HOWDY),
    Scene("/https-mTLS", 443, "true", TERMINATED),
)


class Shell:
    """A shell in the document's folder, in which `kubectl` is one of the real ones."""

    def __init__(self, lab: Lab, version: str) -> None:
        self.lab, self.version = lab, version
        programs, self.folder = lab.home / version, lab.home / f"documents-{version}"
        for directory in (programs, self.folder):
            directory.mkdir(mode=0o755)
        (programs / "kubectl").symlink_to(kubectl_path(version))
        for number, kind in enumerate(ORDER):
            text = (WALKTHROUGH / f"{kind}.yaml").read_text()
            (self.folder / f"{number}-{kind}.yaml").write_text(text)
        self.env = {**lab.env, "PATH": f"{programs}:{lab.env['PATH']}"}

    def start(self, script: str, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start a script; standard output and error go to one place."""
        return subprocess.Popen(
            self.lab.command("bash", "-c", script),
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __call__(self, script: str) -> str:
        """Run a script, which must succeed, and return what it printed."""
        process = self.start(script)
        text, _ = process.communicate(timeout=30)
        assert process.returncode == 0, f"{script}\n{text}"
        return text


def until(seen: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def shape(line: str) -> str:
    """Return a line with its columns one space apart."""
    return " ".join(line.split())


def gateway(shell: Shell) -> str:
    """Read the gateway's address from the table, as the document does; return where it answers."""
    header, row = shell(BALANCER).splitlines()
    assert shape(header) == COLUMNS
    found = re.fullmatch(BALANCER_ROW, shape(row))
    assert found, row
    if not shell.lab.ordinary and os.getuid() == 0:
        return found["external"]
    forwarded = re.search(r"http://(127\.0\.0\.1:\d+)", shell.lab.ok("status"))
    assert forwarded, shell.lab.ok("status")
    return forwarded[1]


def captured(shell: Shell, address: str, scene: Scene) -> str:
    """Start the capture, send the request, check its answer, and return what was captured."""
    log = shell.lab.home / f"capture-{shell.version}{scene.path.replace('/', '-')}.txt"
    with log.open("w") as output:
        capture = shell.start(
            CAPTURE.format(port=scene.port, mtls=scene.mtls), output=output.fileno()
        )
    read = log.read_text
    try:
        until(lambda: read().startswith(BANNER), f"the banner, but\n{read()}")
        assert shell(f"curl -s {address}{scene.path}") == scene.answer
        last = "x-b3-sampled" if scene.plain else pushed(scene)
        until(lambda: re.search(last, read(), re.MULTILINE) is not None, f"{last} in the capture")
    finally:
        os.killpg(capture.pid, signal.SIGINT)
        capture.wait(10)
    return read()


def pushed(scene: Scene) -> str:
    """Return the pattern of a packet with data from the gateway to the scene's pod."""
    return PACKET.format(app=scene.app, service=scene.service, flags=r"P\.")


def check(text: str, scene: Scene) -> None:
    """Compare a capture with the document's."""
    if not scene.plain:
        assert scene.path not in text
        assert "GET /" not in text
        return
    assert re.search(f"{pushed(scene)}: HTTP: GET / HTTP/1\\.1$", text, re.MULTILINE), text
    request = text[text.index("GET / HTTP/1.1\n") :]
    names = re.findall(r"^([a-z0-9-]+): .", request, re.MULTILINE)
    assert names[: len(HEADERS.split())] == HEADERS.split()
    assert f"x-envoy-original-path: {scene.path}" in request


def deleted(version: str) -> str:
    """Return the document's lines as a kubectl writes them: newer ones tell the namespace."""
    newer = int(version.rpartition(".")[2]) >= 34
    return DELETED.replace(" deleted", " deleted from default namespace") if newer else DELETED


def walk(shell: Shell) -> None:
    """Run the document."""
    assert shell("kubectl apply -f ./") == APPLIED
    assert shell("kubectl apply -f ./") == APPLIED.replace(" created", " unchanged")
    policies = shell.folder / "1-PeerAuthentication.yaml"
    original = policies.read_text()
    policies.write_text(original.replace("mode: DISABLE", "mode: PERMISSIVE"))
    changed = APPLIED.replace(" created", " unchanged").replace(
        "disable-mtls unchanged", "disable-mtls configured"
    )
    assert shell("kubectl apply -f ./") == changed
    policies.write_text(original)
    assert shell("kubectl apply -f ./") == changed
    shell("kubectl wait --for=condition=Available --timeout=20s deployment -l app=helloworld")
    address = gateway(shell)
    in_step(shell, address)
    for scene in SCENES:
        check(captured(shell, address, scene), scene)
    assert shell("kubectl delete -f ./") == deleted(shell.version)
    shell("kubectl wait --for=delete --timeout=20s pod -l app=helloworld")


def in_step(shell: Shell, address: str) -> None:
    """Wait until the gateway answers as the document's does after its reader typed a while."""
    for scene in SCENES:
        until(
            lambda path=scene.path, answer=scene.answer: (
                shell(f"curl -s {address}{path}") == answer
            ),
            scene.path,
        )


@pytest.mark.parametrize("ordinary", USERS)
def test_the_document_through_kubectl(make_lab: Callable[..., Lab], ordinary: bool) -> None:
    """Both kubectls, one after the other: the second finds what the first left, which is nothing.

    As root the packets come from the machine's tcpdump where there is one; an ordinary user's
    namespace cannot run it, so the built-in one answers.
    """
    programs.require("curl")
    lab = make_lab("document", ordinary=ordinary)
    lab.ok("up", "--istio", ISTIO)
    for version in ("kubectl-1.37", "kubectl-1.32"):
        walk(Shell(lab, version))
    lab.ok("down")
