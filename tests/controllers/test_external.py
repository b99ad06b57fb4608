"""What stands in for hosts outside: names of objects, the container before the application."""

from collections.abc import Sequence
from typing import Any

import pytest

from lateen.controllers.network import external
from lateen.controllers.network.external import Serving, Signed
from lateen.model.external import ExternalHost, addresses_in, hosts_of


def made(*hosts: ExternalHost, serving: Serving | None = None) -> dict[tuple[str, str], Any]:
    def sign(names: Sequence[str]) -> Signed:
        return Signed(",".join(names), "key")

    found = external.objects(hosts, lambda _: serving or Serving(80, (80,)), sign, "root")
    return {(resource, body["metadata"]["name"]): body for resource, body in found}


def test_a_lab_without_hosts_outside_has_no_namespace_for_them() -> None:
    assert made() == {}


def test_an_address_needs_no_pod() -> None:
    found = made(ExternalHost(host="db.example", address="10.9.8.7"))
    assert list(found) == [("namespaces", "lateen-external")]
    notes = found["namespaces", "lateen-external"]["metadata"]["annotations"]
    assert addresses_in(notes) == {"db.example": "10.9.8.7"}


@pytest.mark.parametrize(
    ("serving", "words"),
    [
        (Serving(80, (80,), ("http/1.1",)), "--to 80 --tls-port 443 … --alpn http/1.1"),
        (Serving(8080, (8080,)), "--to 8080 --tls-port 443 … --port 80"),
        (Serving(8080, (8080, 443)), "--to 8080 --port 80"),
        (Serving(80, (80, 443)), ""),
    ],
)
def test_what_stands_before_an_image(serving: Serving, words: str) -> None:
    found = made(ExternalHost(host="a.example", image="nginx"), serving=serving)
    containers = found["deployments.apps", "a-example"]["spec"]["template"]["spec"]["containers"]
    told = " ".join(" ".join(one["args"]) for one in containers[1:])
    files = "--certificate /etc/external/tls.crt --key /etc/external/tls.key"
    assert told.replace(files, "…") == words


def test_no_two_hosts_share_a_name() -> None:
    hosts = [ExternalHost(host=h, image="x") for h in ("a-b.c", "a.b-c", "*.a", f"{'l' * 60}.org")]
    names = external.names(hosts)
    assert len(set(names)) == 4
    assert all(len(name) <= 43 for name in names)
    assert names[2] == "any-a"


def test_a_certificate_is_kept_as_long_as_names_and_root_stay() -> None:
    def digest(*hosts: ExternalHost) -> str:
        notes = made(*hosts)["secrets", "any-a"]["metadata"]["annotations"]
        return str(notes["lateen.dev/made-from"])

    one = ExternalHost(host="*.a", image="nginx")
    assert digest(one) == digest(ExternalHost(host="*.a", image="httpd"))


def test_only_the_labs_own_namespace_names_hosts() -> None:
    notes = {"lateen.dev/external-hosts": "a.example,*.b.example"}
    assert hosts_of("lateen-external", notes) == ("a.example", "*.b.example")
    assert hosts_of("default", notes) == ()
