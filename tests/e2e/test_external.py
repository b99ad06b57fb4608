"""Hosts outside the mesh, with stand-ins for them: Istio's egress tasks without the internet.

Every request is foretold too, by the lab itself.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e

EGRESS = "istio-system/sa/istio-egressgateway-service-account"


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("external")
    up = made.lateen("up", str(Path(__file__).parent / "external"))
    assert up.returncode == 0, up.stderr + made.logs()
    return made


def asked(lab: Lab, url: str) -> dict[str, Any]:
    """Send a request from the client, which must go as it is foretold."""
    told = json.loads(lab.lateen("curl", "--from", "sleep", "-o", "json", url).stdout)
    foretold = json.loads(lab.lateen("explain", "sleep", url, "-o", "json").stdout)
    codes = {branch["outcome"]["code"] for branch in foretold["branches"]}
    assert codes == {told["verdict"]["code"]}, (told["verdict"], foretold)
    return told


def protected(told: dict[str, Any]) -> list[str]:
    return [leg["tls"] for leg in told["legs"]]


def test_tls_begins_at_a_sidecar_without_a_ca_of_its_own(lab: Lab) -> None:
    """The system's roots are the machine's and the lab's: since 1.21 they are what counts."""
    told = asked(lab, "http://plain.example.net/")
    assert (told["response"]["status"], told["verdict"]["code"]) == (200, "ok")
    assert protected(told) == ["none", "tls"]


def test_tls_begins_at_the_egress_gateway_behind_mutual_tls(lab: Lab) -> None:
    told = asked(lab, "http://shop.example.com/headers")
    assert told["response"]["status"] == 200
    assert protected(told) == ["none", "mtls", "tls"]
    # Who asked is told to the whole world, as the gateway's default is.
    assert "X-Forwarded-Client-Cert" in told["response"]["body"]


def test_an_applications_own_tls_passes_the_egress_gateway_by_its_name(lab: Lab) -> None:
    for host in ("en.wiki.example.org", "www.wiki.example.org"):
        told = asked(lab, f"https://{host}/page")
        assert told["response"]["status"] == 200, told
        assert json.loads(told["response"]["body"])["host"]["hostname"] == host
        assert protected(told) == ["tls", "tls", "tls"]


def test_a_gateway_of_the_users_own_lets_out(lab: Lab) -> None:
    told = asked(lab, "http://en.wiki.example.org/out")
    assert told["response"]["status"] == 200, told
    assert protected(told) == ["none", "mtls", "none"]


def test_bytes_leave_by_the_egress_gateway(lab: Lab) -> None:
    talk = "echo you | nc -w 3 bytes.example.com 9000"
    done = lab.lateen("exec", "sleep", "-c", "sleep", "--", "sh", "-c", talk)
    assert done.stdout == "hello you\n", done.stderr


def test_hosts_on_one_port_are_told_apart_where_a_proxy_answers_dns(lab: Lab) -> None:
    """Each host without an address was given one; the proxy itself is told the true ones."""
    listed = lab.kubectl("get", "serviceentries", "-n", "names", "-o", "json").stdout
    given = [each["status"]["addresses"][0]["value"] for each in json.loads(listed)["items"]]
    assert len({*given}) == len(given)
    assert all(each.startswith("240.240.0.") for each in given)
    for host, words in (("shop.example.com", "httpbin"), ("plain.example.net", "nginx")):
        url, common = f"http://{host}/", ("--namespace", "names", "-o", "json")
        told = json.loads(lab.lateen("curl", "--from", "asking", *common, url).stdout)
        assert told["response"]["status"] == 200, told
        assert words in json.dumps(told["response"]), told
        assert told["legs"][0]["server_log"]["kind"] == "tcp"
        foretold = json.loads(lab.lateen("explain", "asking", url, *common).stdout)
        outcomes = [branch["outcome"] for branch in foretold["branches"]]
        assert {(each["code"], each["status"]) for each in outcomes} == {("ok", 200)}, foretold


def test_a_gateway_passes_mutual_tls_on_to_the_service_that_its_server_name_says(lab: Lab) -> None:
    url, common = "http://inner.remote/", ("--namespace", "names", "-o", "json")
    told = json.loads(lab.lateen("curl", "--from", "asking", *common, url).stdout)
    assert told["response"]["status"] == 200, told
    assert protected(told) == ["none", "mtls", "mtls", "none"], told["legs"]
    foretold = json.loads(lab.lateen("explain", "asking", url, *common).stdout)
    outcomes = [branch["outcome"] for branch in foretold["branches"]]
    assert {(each["code"], each["status"]) for each in outcomes} == {("ok", 200)}, foretold


def test_requests_say_by_their_names_where_they_go(lab: Lab) -> None:
    """DYNAMIC_DNS: the sidecar resolves what it is asked for, within a wildcard."""
    host, common = "any.wiki.example.org", ("--namespace", "names", "-o", "json")
    url = f"http://{host}/"
    told = json.loads(lab.lateen("curl", "--from", "asking", *common, url).stdout)
    assert told["response"]["status"] == 200, told
    assert json.loads(told["response"]["body"])["host"]["hostname"] == host
    foretold = json.loads(lab.lateen("explain", "asking", url, *common).stdout)
    outcomes = [branch["outcome"] for branch in foretold["branches"]]
    assert {(each["code"], each["status"]) for each in outcomes} == {("ok", 200)}, foretold


def test_tls_inside_tls_is_foretold(lab: Lab) -> None:
    """The rule for port 443 is meant for the gateway, and the sidecar follows it too."""
    assert asked(lab, "https://shop.example.com/")["response"]["status"] is None


def test_what_nobody_registered_stays_in(lab: Lab) -> None:
    told = asked(lab, "http://gone.example.net/")
    assert (told["response"]["status"], told["verdict"]["code"]) == (502, "blocked")


def test_pods_trust_what_stands_in(lab: Lab) -> None:
    """Any program's own client does, by the bundle that it has."""
    script = (
        "import socket, ssl; c = ssl.create_default_context();"
        "s = c.wrap_socket(socket.create_connection(('www.wiki.example.org', 443)),"
        " server_hostname='www.wiki.example.org'); print(s.version())"
    )
    inside = ("exec", "sleep", "-c", "sleep", "--")
    done = lab.lateen(*inside, "python3", "-c", script)
    assert done.stdout == "TLSv1.3\n", done.stderr
    asked = lab.lateen(
        *inside, "curl", "-sS", "-w", "%{http_code}", "https://www.wiki.example.org/"
    )
    assert asked.stdout.endswith("200"), asked.stderr


def test_nobody_takes_a_name_for_themselves(lab: Lab) -> None:
    """Only pods of the lab's own namespace answer for hosts outside."""
    pod = lab.kubectl("get", "pod", "sleep", "-o", "json").stdout
    own = json.loads(pod)["status"]["podIP"]
    note = "lateen.dev/external-hosts=plain.example.net,mine.example.net"
    assert lab.kubectl("annotate", "pod", "sleep", note).returncode == 0
    told = asked(lab, "http://plain.example.net/")
    assert told["response"]["status"] == 200
    script = "import socket; print(socket.gethostbyname('plain.example.net'))"
    done = lab.lateen("exec", "sleep", "-c", "sleep", "--", "python3", "-c", script)
    assert done.stdout.strip() not in ("", own)
    found = lab.lateen("explain", "sleep", "http://mine.example.net/", "-o", "json")
    outcomes = [each["outcome"]["code"] for each in json.loads(found.stdout)["branches"]]
    assert outcomes == ["unknown-name"]


def test_tags_are_names_of_the_revision(lab: Lab) -> None:
    """A tag is set as `istioctl tag set` does it: by a webhook's object that names both."""

    def containers(namespace: str) -> set[str]:
        pod = json.loads(lab.kubectl("get", "pod", "idle", "-n", namespace, "-o", "json").stdout)
        return {each["name"] for each in pod["spec"]["containers"]}

    assert containers("tagged") == {"idle", "istio-proxy"}
    assert containers("elsewhere") == {"idle"}
    listed = lab.kubectl("get", "mutatingwebhookconfigurations", "-o", "name").stdout
    assert "istio-sidecar-injector-canary" in listed
    known = lab.kubectl(
        "get", "mutatingwebhookconfiguration", "istio-revision-tag-stable", "-o", "json"
    )
    tag = json.loads(known.stdout)
    meta = tag["metadata"]
    labels = {**meta["labels"], "istio.io/tag": "old"}
    tag["metadata"] = {"name": "istio-revision-tag-old", "labels": labels}
    lab.ok("apply", "-f", "-", stdin=json.dumps(tag))
    lab.ok("delete", "pod", "idle", "-n", "elsewhere")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "idle", "namespace": "elsewhere"},
        "spec": {"containers": [{"name": "idle", "image": "busybox", "command": ["sleep", "9"]}]},
    }
    lab.ok("apply", "-f", "-", stdin=json.dumps(pod))
    assert containers("elsewhere") == {"idle", "istio-proxy"}
