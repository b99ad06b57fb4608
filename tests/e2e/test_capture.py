"""Captures of a real mesh: files that tshark opens, keys that open mutual TLS, the headers that
Istio's proxies send, lines, taps and edges."""

import json
import stat
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lateen.observe.wire import classify, frames, streams
from lateen.observe.wire.classify import WireKind
from lateen.observe.wire.frames import Segment
from tests.e2e.captures import Command, ask, logging_keys, tshark
from tests.e2e.labs import Lab

pytestmark = [pytest.mark.netns, pytest.mark.e2e]

PATHS = ("http-no-mTLS", "https-no-mTLS", "http-mTLS")
OLD, NEW = "1.17", "1.32"


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return logging_keys(make_lab, tmp_path_factory.mktemp("keys") / "walkthrough", OLD)


def captured(lab: Lab, path: Path) -> Path:
    command = Command(lab, "capture", "-w", str(path), "--keys")
    command.wait_for("capturing 3 pods")
    ask(lab, *PATHS, header="x-forwarded-client-cert: By=forged;URI=spiffe://forged")
    lab.ok("curl", "--http2", "http://istio-ingressgateway/http-no-mTLS")
    command.stopped()
    return path


@pytest.fixture(scope="module")
def file(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return captured(lab, tmp_path_factory.mktemp("captures") / "mesh.pcapng")


@pytest.fixture(scope="module", params=[OLD, NEW])
def of_version(
    request: pytest.FixtureRequest,
    make_lab: Callable[..., Lab],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Lab, Path]:
    """A lab of each version, and a capture of the requests to it."""
    if request.param == OLD:
        return request.getfixturevalue("lab"), request.getfixturevalue("file")
    folder = tmp_path_factory.mktemp("new")
    made = logging_keys(make_lab, folder / "walkthrough", NEW)
    return made, captured(made, folder / "mesh.pcapng")


def test_the_file_is_its_owners_and_names_pods_and_legs(lab: Lab, file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = tshark(file, "tcp", "frame.interface_name")
    pods = {row[0].partition("-")[0] for row in rows}
    legs = {row[0].rpartition(" ")[2] for row in rows}
    assert (pods, legs) == ({"default/helloworld", "istio"}, {"wire", "app"})
    for log in (lab.home / "run").glob("*/pods/*/keys.log"):
        assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_http_inside_mutual_tls_is_read_with_the_keys(file: Path) -> None:
    rows = tshark(
        file,
        "http.request and tls and tcp.dstport == 80",
        "frame.interface_name",
        "http.request.method",
        "http.x_forwarded_for",
    )
    assert rows
    for interface, method, forwarded in rows:
        assert "wire" in interface
        assert method == "GET"
        assert forwarded


def headers(file: Path, chosen: str) -> dict[str, str]:
    rows = tshark(file, chosen, "http.request.line")
    assert rows, f"no request on {chosen}"
    found = {}
    for line in rows[0][0].replace("\\r\\n", "").split("|"):
        name, _, value = line.partition(":")
        found[name.strip().lower()] = value.strip()
    return found


def test_the_headers_of_the_plaintext_leg_are_istios(of_version: tuple[Lab, Path]) -> None:
    lab, file = of_version
    found = headers(
        file,
        'http.request and !tls and frame.interface_name contains "wire" '
        'and http.request.line contains "http-no-mTLS" and tcp.dstport == 80',
    )
    assert found["x-envoy-decorator-operation"] == (
        "helloworld.default.svc.cluster.local:8080/http-no-mTLS"
    )
    assert found["x-envoy-original-path"] == "/http-no-mTLS"
    assert found["x-envoy-attempt-count"] == "1"
    assert found["x-forwarded-proto"] == "http"
    assert found["x-forwarded-for"]
    assert len(found["x-request-id"]) == 36
    assert found["x-envoy-peer-metadata-id"].startswith("router~10.")
    # Since 1.22 there is no tracer, since 1.25 no address is internal, unless the mesh says so.
    tracing = {name: len(value) for name, value in found.items() if name.startswith("x-b3-")}
    old = "117" in lab.name
    assert tracing == ({"x-b3-sampled": 1, "x-b3-traceid": 32, "x-b3-spanid": 16} if old else {})
    assert found.get("x-b3-sampled") == ("1" if old else None)
    assert found.get("x-envoy-internal") == ("true" if old else None)
    assert ("x-envoy-external-address" in found) is not old


def test_the_gateways_metadata_says_what_it_is(of_version: tuple[Lab, Path]) -> None:
    lab, file = of_version
    found = headers(
        file,
        'http.request and !tls and frame.interface_name contains "wire" '
        'and http.request.line contains "http-no-mTLS" and tcp.dstport == 80',
    )
    told = json.loads(lab.ok("decode", "peer-metadata", found["x-envoy-peer-metadata"]))
    assert set(told) == {
        "APP_CONTAINERS",
        "CLUSTER_ID",
        "INSTANCE_IPS",
        "ISTIO_VERSION",
        "LABELS",
        "MESH_ID",
        "NAME",
        "NAMESPACE",
        "OWNER",
        "PLATFORM_METADATA",
        "WORKLOAD_NAME",
    }
    assert told["NAMESPACE"] == "istio-system"
    assert told["WORKLOAD_NAME"] == "istio-ingressgateway"
    assert told["NAME"].startswith("istio-ingressgateway-")


def test_the_application_sees_the_clients_certificate_and_no_forged_one(
    of_version: tuple[Lab, Path],
) -> None:
    file = of_version[1]
    inside = 'http.request and !tls and frame.interface_name contains "app" and tcp.dstport == 80'
    found = headers(file, f'{inside} and http.request.line contains "x-forwarded-client-cert"')
    told = found["x-forwarded-client-cert"]
    assert "URI=spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account" in (
        told.replace(" ", "")
    )
    assert "forged" not in told
    assert "x-envoy-peer-metadata" not in found


def test_lines_name_legs_kinds_and_hide_secrets(lab: Lab) -> None:
    command = Command(lab, "capture", "-o", "json")
    command.wait_for("capturing 3 pods")
    ask(lab, "warm-up?token=sesame", *PATHS, *PATHS, header="Authorization: Bearer sesame")
    out = command.stopped()
    flows = [json.loads(line) for line in out.splitlines()]
    seen = {(f["leg"], f["tls"], f["kind"]) for f in flows}
    assert {("wire", "none", "HTTP/1"), ("app", "none", "HTTP/1")} <= seen
    assert any(f["tls"] == "mtls" and f["leg"] == "wire" for f in flows)
    assert "sesame" not in out
    assert "(redacted)" in out


def test_openings_of_earlier_connections_are_kept(lab: Lab) -> None:
    ask(lab, *PATHS)
    out = lab.ok("capture", "--since", "10m", "--tls", "mtls", "--leg", "wire")
    assert "outbound_.8080_.mtls_.helloworld.default.svc.cluster.local" in out
    assert "TLSv1.3" in out
    assert " none " not in out
    plain = lab.ok("capture", "--since", "10m", "--tls", "none", "--to-label", "mtls=false")
    assert "helloworld-nomtls-" in plain
    for line in plain.splitlines():
        assert line.endswith("none other: opened, without TLS at its beginning")


def test_lines_are_chosen_by_both_ends(lab: Lab) -> None:
    ask(lab, *PATHS)
    chosen = ("--from-service", "istio-system/istio-ingressgateway", "--to-namespace", "default")
    encrypted = lab.ok("capture", "--since", "10m", *chosen, "--not", "--tls", "none")
    ends = [line.split()[2:5:2] for line in encrypted.splitlines()]
    assert ends
    for source, target in ends:
        assert source.startswith("istio-system/istio-ingressgateway-")
        assert target.startswith("default/helloworld-")
    only = lab.ok("capture", "--since", "10m", *chosen, "--to-label", "app=nobody")
    assert only == ""
    account = "istio-system/istio-ingressgateway-service-account"
    assert lab.ok("capture", "--since", "10m", *chosen[2:], "--from-identity", account)


def test_a_filter_that_means_nothing_is_told(lab: Lab) -> None:
    for wrong in (("--tls", "yes"), ("--http-status", "5"), ("--from-label", "a=b=c"), ("--not",)):
        done = lab.lateen("capture", *wrong)
        assert (done.returncode, done.stdout) == (64, "")
        assert wrong[-1] in done.stderr


def test_tap_joins_both_proxies(lab: Lab) -> None:
    chosen = ("--from-namespace", "istio-system", "--not", "--tls", "none", "-n", "default")
    command = Command(lab, "tap", *chosen, "-c", "1")
    deadline = 20
    while command.running and deadline:
        ask(lab, "http-mTLS?token=sesame")
        deadline -= 1
    out = command.ended()
    assert out.startswith("req id=")
    assert " proxy=both " in out
    assert ' :path="/http-mTLS?token=(redacted)" ' in out
    assert " client_id=spiffe://cluster.local/ns/istio-system/sa/" in out


def test_a_pods_own_captured_connections_are_read_both_ways(lab: Lab) -> None:
    """Also where it is its own server: then all legs are on its loopback."""
    command = Command(lab, "capture", "deploy/helloworld-mtls", "--leg", "app", "-o", "json")
    command.wait_for("capturing 1 pods")
    url, start = "http://helloworld:8080/", ("--from", "deploy/helloworld-mtls")
    for _ in range(40):  # which of two answers is chance: eight times the other is one in 256
        legs = json.loads(lab.ok("curl", url, *start, "-o", "json"))["legs"]
        assert legs[0]["wire"]["response"] == "HTTP/1.1 200 OK"
        if legs[1]["from"]["name"] == legs[1]["to"]["name"]:
            break
    assert (legs[1]["tls"], legs[1]["wire"]["kind"]) == ("mtls", "TLS")
    assert legs[1]["wire"]["sni"] == "outbound_.8080_._.helloworld.default.svc.cluster.local"
    flows = [json.loads(line) for line in command.stopped().splitlines()]
    assert {
        (f["to"], f.get("status")) for f in flows if f["client"] == legs[0]["from"]["address"]
    } == {
        ("default/helloworld", None),
        ("default/helloworld", 200),
    }
    to_itself = [f for f in flows if f["client"] == legs[1]["from"]["address"]]
    assert {(f["tls"], f["server"]) for f in to_itself} == {("mtls", legs[1]["to"]["address"])}


def test_edges_say_why_a_leg_was_plaintext(lab: Lab) -> None:
    ask(lab, *PATHS)
    found = json.loads(lab.ok("edges", "-o", "json"))["edges"]
    by_tls = {(e["tls"], e["port"]): e for e in found if e["source"].startswith("istio-system/")}
    assert (
        by_tls["none", "80"]["no_tls_reason"] == "its server's PeerAuthentication mode is DISABLE"
    )
    assert by_tls["mtls", "80"]["no_tls_reason"] == ""
    assert by_tls["mtls", "80"]["server_id"] == "spiffe://cluster.local/ns/default/sa/default"
    assert by_tls["tls", "443"]["requests"] >= 1
    assert "host" in {edge["source"] for edge in found}
    there = json.loads(lab.ok("edges", "-n", "default", "-o", "json", "--since", "10m"))["edges"]
    assert there == [edge for edge in found if edge["target"].startswith("default/")]


def test_a_request_whose_connection_failed_is_counted_once(of_version: tuple[Lab, Path]) -> None:
    """By the gateway's log, which may not know the address it came from, and the server's."""
    lab = of_version[0]

    def onto_tls() -> Counter[str]:
        found = json.loads(lab.ok("edges", "-o", "json"))["edges"]
        there = [e for e in found if e["port"] == "443" and e["source"].startswith("istio-system/")]
        assert {e["tls"] for e in there} <= {"tls"}
        assert {e["no_tls_reason"] for e in there} <= {""}
        mtls = [e for e in there if "helloworld-mtls" in e["target"] and e["protocol"] != "TCP"]
        return Counter(
            {"requests": mtls[0]["requests"], "errors": mtls[0]["errors"]} if mtls else {}
        )

    before = onto_tls()
    command = Command(lab, "tap", "--http-status", "503", "--to-label", "mtls=true", "-c", "2")
    ask(lab, "https-mTLS")
    deadline = 20
    while command.running and deadline:
        ask(lab, "https-mTLS")
        deadline -= 1
    for line in command.ended().splitlines():
        assert " proxy=both " in line
        assert " tls=tls " in line
        assert " server_reason=" in line
    asked = 21 - deadline
    assert onto_tls() - before == {"requests": asked, "errors": asked}


def test_access_logs_are_json_where_the_lab_says_so(lab: Lab) -> None:
    ask(lab, "http-mTLS")
    told: list[dict[str, object]] = []
    for _ in range(20):
        lines = lab.ok("logs", "deploy/helloworld-mtls", "-c", "istio-proxy").splitlines()
        told = [json.loads(line) for line in lines if line.startswith("{")]
        if any(each["path"] == "/http-mTLS" for each in told):
            break
    assert ("/http-mTLS", 200) in {(each["path"], each["response_code"]) for each in told}


def segments(file: Path) -> Iterator[Segment]:
    """Read the packet blocks of a pcapng file, those of the wire only."""
    data, at = file.read_bytes(), 0
    wires: list[bool] = []
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 1:
            wires.append(b" wire" in data[at : at + size])
        elif kind == 6:
            number, high, low, kept = struct.unpack_from("<IIII", data, at + 8)
            segment = frames.segment(data[at + 28 : at + 28 + kept], ((high << 32) + low) / 1e9)
            if segment is not None and wires[number]:
                yield segment
        at += size


def test_our_reading_of_the_handshakes_is_tsharks(file: Path) -> None:
    ours = set()
    for conversation in streams.conversations(segments(file)):
        reading = classify.read(conversation)
        if reading.kind is WireKind.TLS and reading.version:
            ours.add((conversation.client.port, reading.sni, ",".join(reading.alpn)))
    fields = ("tcp.srcport", "tls.handshake.extensions_server_name")
    alpn = "tls.handshake.extensions_alpn_str"
    chosen = 'tls.handshake.type == 1 and frame.interface_name contains "wire"'
    theirs = {
        (int(port), name, protocols.replace("|", ","))
        for port, name, protocols in tshark(file, chosen, *fields, alpn)
    }
    assert ours
    assert ours == theirs


def test_our_reading_of_plaintext_requests_is_tsharks(file: Path) -> None:
    ours = set()
    for conversation in streams.conversations(segments(file)):
        reading = classify.read(conversation)
        for message in reading.requests if reading.kind is WireKind.HTTP1 else ():
            ours.add((conversation.client.port, message.start, message.header("host")))
    chosen = 'http.request and !tls and frame.interface_name contains "wire"'
    fields = ("tcp.srcport", "http.request.method", "http.request.uri", "http.host")
    theirs = {
        (int(port), f"{method} {uri} HTTP/1.1", host)
        for port, method, uri, host in tshark(file, chosen, *fields)
        if method != "PRI"
    }
    assert ours
    assert ours == theirs


def test_our_reading_of_http2_is_tsharks(file: Path) -> None:
    ours, kind = set(), "http2.headers.method or http2.headers.status"
    for conversation in streams.conversations(segments(file)):
        reading = classify.read(conversation)
        for message in (*reading.requests, *reading.responses):
            if message.stream:
                names = tuple(sorted(name for name, _ in message.headers))
                ours.add((conversation.client.port, message.stream, message.start, names))
    chosen = f'({kind}) and !tls and frame.interface_name contains "wire"'
    fields = ("tcp.srcport", "tcp.dstport", "http2.streamid", "http2.headers.method")
    fields += ("http2.headers.path", "http2.headers.status", "http2.header.name")
    theirs = set()
    for source, target, stream, method, path, status, names in tshark(file, chosen, *fields):
        start = f"{method} {path} HTTP/2" if method else f"HTTP/2 {status}"
        port = int(source if method else target)
        plain = tuple(sorted(name for name in names.split("|") if not name.startswith(":")))
        theirs.add((port, max(map(int, stream.split("|"))), start, plain))
    assert {start for _, _, start, _ in ours} == {"GET /http-no-mTLS HTTP/2", "HTTP/2 200"}
    assert ours == theirs
