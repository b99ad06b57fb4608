"""ServiceEntries on real proxies: what is outside, or no Kubernetes Service, is reached as each
resolution and protocol says, and what nobody registered is not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e

SOMEWHERE = "192.0.2.9"
"""An address that nothing has: only a proxy that goes by name gets anywhere from there."""


class Mesh:
    """The lab of this module, asked from its client."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        pods = json.loads(lab.kubectl("get", "pods", "-A", "-o", "json").stdout)["items"]
        self.address = {
            p["metadata"]["labels"].get("app"): p["status"]["podIP"]
            for p in pods
            if "podIP" in p["status"]
        }

    def curl(self, url: str, *words: str, at: str = SOMEWHERE) -> tuple[str, dict[str, Any]]:
        """Return the status (000 if there is none) and what the echo server saw."""
        name, _, port = url.partition("://")[2].partition("/")[0].partition(":")
        port = port or ("443" if url.startswith("https") else "80")
        where = ("--resolve", f"{name}:{port}:{at}")
        inside = ("exec", "deploy/client", "-c", "curl", "--", "curl", "-sS", "-m", "10")
        done = self.lab.lateen(*inside, "-w", "\n%{http_code}", *where, *words, url)
        body, _, status = done.stdout.rpartition("\n")
        try:
            seen = json.loads(body)
        except ValueError:
            seen = {}
        return status, seen


@pytest.fixture(scope="module")
def mesh(make_lab: Callable[..., Lab]) -> Mesh:
    lab = make_lab("entries")
    up = lab.lateen("up", str(Path(__file__).parent / "entries"))
    assert up.returncode == 0, up.stderr + lab.logs()
    return Mesh(lab)


def test_a_name_is_resolved_by_the_proxy_whatever_address_the_client_dialled(mesh: Mesh) -> None:
    status, seen = mesh.curl("http://api.example.com/x")
    assert (status, seen["path"]) == ("200", "/x")
    assert seen["headers"]["host"] == "api.example.com"
    assert "x-forwarded-client-cert" not in seen["headers"]


def test_what_nobody_registered_is_blocked(mesh: Mesh) -> None:
    assert mesh.curl("http://other.example.com/")[0] == "502"
    assert mesh.curl("https://other.example.com/", "-k")[0] == "000"


def test_tls_is_told_by_its_server_name_and_passed_on(mesh: Mesh) -> None:
    status, seen = mesh.curl("https://api.example.com/tls", "-k")
    assert (status, seen["path"]) == ("200", "/tls")


def test_a_wildcard_without_endpoints_goes_where_the_client_was_going(mesh: Mesh) -> None:
    status, seen = mesh.curl("http://any.example.org:8080/", at=mesh.address["world"])
    assert status == "200"
    assert seen["headers"]["host"] == "any.example.org:8080"


def test_a_proxy_originates_tls_to_the_outside(mesh: Mesh) -> None:
    """The port that is reached answers nothing but TLS."""
    status, seen = mesh.curl("http://originated.example.com/in-tls")
    assert (status, seen["path"]) == ("200", "/in-tls")


def test_selected_pods_are_spoken_to_in_mutual_tls(mesh: Mesh) -> None:
    """The server is STRICT, and the entry makes the ports its own."""
    status, seen = mesh.curl("http://machines.example.com/")
    assert status == "200"
    assert "/ns/default/sa/default" in seen["headers"]["x-forwarded-client-cert"]
    status, seen = mesh.curl("http://198.51.100.7:9000/bytes", at="198.51.100.7")
    assert (status, seen["path"]) == ("200", "/bytes")


def test_a_gateway_reaches_the_outside_too(mesh: Mesh) -> None:
    gateways = json.loads(mesh.lab.ok("status", "-o", "json"))["gateways"]
    url = next(u for g in gateways for u in g["urls"] if u.startswith("http:"))
    answer = mesh.lab.curl("-sS", "-H", "host: edge.example.com", f"{url}/from-outside")
    assert json.loads(answer)["path"] == "/from-outside"


def test_an_entry_comes_and_goes_while_the_mesh_runs(mesh: Mesh, tmp_path: Path) -> None:
    file = tmp_path / "late.yaml"
    file.write_text(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: late}\nspec:\n"
        "  hosts: [late.example.com]\n  resolution: STATIC\n"
        "  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]\n"
        f"  endpoints: [{{address: {mesh.address['world']}}}]\n"
    )
    assert mesh.curl("http://late.example.com/")[0] == "502"
    mesh.lab.ok("apply", "-f", str(file))
    assert mesh.curl("http://late.example.com/")[0] == "200"
    mesh.lab.ok("delete", "-f", str(file))
    assert mesh.curl("http://late.example.com/")[0] == "502"
