"""What may be asked at the page's address."""

import base64
import gzip
import hashlib
import json
import re

import pytest

from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.page import gate
from lateen.page.assets import Assets
from lateen.page.gate import GateRequest
from tools import vendor

HOST = {"host": "127.0.0.1:4000"}
JSON = {**HOST, "content-type": "application/json"}


def refused(method: str, path: str, headers: dict[str, str], query: str = "") -> int:
    asked = GateRequest(
        method=method, raw_path=path.encode(), raw_query=query.encode(), headers=headers
    )
    try:
        gate.check(asked)
    except ApiError as error:
        return error.code
    return 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:80", "[::1]:9", "lab.localhost:1"])
def test_names_of_this_machine_are_served(host: str) -> None:
    assert refused("GET", "/mesh", {"host": host}) == 0


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:4000", "127.0.0.1.evil.example"]
)
def test_a_rebound_name_is_not(host: str) -> None:
    assert refused("GET", "/mesh", {"host": host}) == 421


def test_the_name_of_a_tunnel_is_served_where_it_is_allowed() -> None:
    asked = GateRequest(method="GET", raw_path=b"/mesh", headers={"host": "Lab.Example:443"})
    gate.check(asked, (gate.host_name("lab.EXAMPLE"),))
    with pytest.raises(ApiError, match="no name of this machine"):
        gate.check(asked, ("other.example",))


@pytest.mark.parametrize("text", ["", "*", "*.example", "a.example:80", "http://a", "a/b", "a\nb"])
def test_what_is_no_name_of_a_host_is_not_allowed(text: str) -> None:
    with pytest.raises(ApiError, match="no host"):
        gate.host_name(text)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 0),
        ({"origin": "http://127.0.0.1:4000", "sec-fetch-site": "same-origin"}, 0),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:4001"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
    ],
)
def test_a_write_comes_from_the_page(headers: dict[str, str], code: int) -> None:
    assert refused("POST", contract.REQUEST.path, {**JSON, **headers}) == code


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/secrets"),
        ("GET", "/api/v1/namespaces/a/secrets/b"),
        ("GET", "/api/v1/namespaces/a/pods/b/exec"),
        ("GET", "/api/v1/namespaces/a/pods/b/attach"),
        ("GET", "/api/v1/namespaces/a/pods/b/portforward"),
        ("GET", "/api/v1/namespaces/a/pods/b/proxy/"),
        ("GET", "/api/v1/namespaces/a/services/b/proxy/x"),
        ("POST", "/api/v1/namespaces/a/serviceaccounts/b/token"),
        ("POST", "/apis/networking.istio.io/v1/namespaces/a/virtualservices"),
        ("DELETE", "/api/v1/namespaces/a/pods/b"),
        ("GET", contract.CONFIG.of(namespace="a", pod="b")),
        ("POST", contract.APPLY.path),
        ("POST", contract.PAGE.path),
        ("POST", contract.PROCESS.path),
        ("GET", "/metrics"),
        ("GET", "/etc/passwd"),
    ],
)
def test_what_the_page_does_not_show_is_not_answered(method: str, path: str) -> None:
    assert refused(method, path, JSON) == 403


def test_secrets_are_not_asked_for_and_nobody_else_is_acted_for() -> None:
    assert refused("GET", contract.TAP.path, HOST, "secrets=true") == 403
    assert refused("GET", "/api/v1/pods", {**HOST, "impersonate-user": "x"}) == 403
    upgrading = GateRequest(method="GET", raw_path=b"/mesh", headers=HOST, upgrades=True)
    with pytest.raises(ApiError, match="upgrade"):
        gate.check(upgrading)


def test_only_listed_files_are_served() -> None:
    assets = Assets()
    assert assets.find(f"{assets.root}app.js") is not None
    assert assets.find(f"{assets.root}../gate.py") is None
    assert assets.find(f"{assets.root}vendor/LICENSE-htm") is None


def test_every_import_names_a_file_that_is_served() -> None:
    assets = Assets()
    shell = assets.shell.content.decode()
    names = re.findall(r'modulepreload" href="([^"]+)"', shell)
    assert len(names) > 10
    for name in names:
        found = assets.find(name)
        assert found is not None
        for there in re.findall(r'from "(\.[^"]+)"', found.content.decode()):
            parts = name.split("/")[:-1]
            for part in there.split("/"):
                parts = parts[:-1] if part == ".." else parts + [part] * (part != ".")
            assert assets.find("/".join(parts)), f"{name}: {there}"


def test_before_the_first_view_little_is_loaded() -> None:
    """60 kB compressed: what is in the budget of a page that shows at once."""
    assets = Assets()
    names = re.findall(r'href="(/s/[^"]+)"', assets.shell.content.decode())
    found = [assets.find(name) for name in names]
    assert sum(len(gzip.compress(each.content)) for each in found if each) < 60_000


def test_a_saved_page_allows_only_what_it_holds() -> None:
    text = Assets().saved({"lab": "</script><script>alert(1)"})
    assert "<script>alert" not in text
    for script in re.findall(r"<script type=\"(?:importmap|module)\">(.*?)</script>", text, re.S):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in text
    imports = json.loads(re.findall(r'importmap">(.*?)</script>', text)[0])["imports"]
    for code in imports.values():
        module = base64.b64decode(code.partition(",")[2]).decode()
        for there in re.findall(r'from "([^"]+)"', module):
            assert there in imports


def test_foreign_files_are_as_they_are_written_down() -> None:
    assert vendor.faults() == []
