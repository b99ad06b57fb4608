"""Bookinfo's four services, asking each other over real sockets."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

import pytest

KINDS = ("details", "ratings", "reviews", "productpage")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def ports() -> Iterator[Mapping[str, int]]:
    found = {kind: free_port() for kind in (*KINDS, "old-reviews")}
    variables = dict(os.environ)
    for kind in KINDS:
        variables[f"{kind.upper()}_HOSTNAME"] = "127.0.0.1"
        variables[f"{kind.upper()}_SERVICE_PORT"] = str(found[kind])
    running = []
    for kind, port in found.items():
        argv = [sys.executable, "-m", "lateen.node.standins.web", "--port", str(port)]
        argv += ["--kind", f"bookinfo-{kind.removeprefix('old-')}"]
        argv += ["--option", f"version={'v1' if kind.startswith('old') else 'v3'}"]
        running.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=variables))
    for port in found.values():
        wait_for(port)
    yield found
    for process in running:
        process.terminate()
        assert process.wait(10) == 0


def ask(port: int, path: str, form: str = "") -> str:
    """Ask as a browser does: cookies are kept, redirects followed, statuses not judged."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    url = f"http://127.0.0.1:{port}{path}"
    try:
        with browser.open(url, form.encode() or None, timeout=10) as answer:
            page: str = answer.read().decode()
            return page
    except urllib.error.HTTPError as error:
        return error.read().decode()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_product_page_shows_everything(ports: Mapping[str, int]) -> None:
    page = ask(ports["productpage"], "/productpage?u=normal")
    assert "<title>Simple Bookstore App</title>" in page
    assert "<dt>author</dt><dd>William Shakespeare</dd>" in page
    assert page.count("glyphicon-star") == 9
    assert '<font color="red">' in page
    assert "Error fetching" not in page


def test_versions_of_reviews(ports: Mapping[str, int]) -> None:
    new = json.loads(ask(ports["reviews"], "/reviews/0"))
    assert [each["rating"] for each in new["reviews"]] == [
        {"stars": 5, "color": "red"},
        {"stars": 4, "color": "red"},
    ]
    old = json.loads(ask(ports["old-reviews"], "/reviews/0"))
    assert [set(each) for each in old["reviews"]] == [{"reviewer", "text"}] * 2


def test_api_and_health(ports: Mapping[str, int]) -> None:
    products = json.loads(ask(ports["productpage"], "/api/v1/products"))
    assert products[0]["title"] == "The Comedy of Errors"
    ratings = json.loads(ask(ports["productpage"], "/api/v1/products/0/ratings"))
    assert ratings == {"id": 0, "ratings": {"Reviewer1": 5, "Reviewer2": 4}}
    assert json.loads(ask(ports["details"], "/health")) == {"status": "Details is healthy"}
    assert "error" in json.loads(ask(ports["details"], "/details/x"))
    assert "Not Found" in ask(ports["productpage"], "/api/v1/products/0/spam")


def test_user_who_logged_in_is_shown(ports: Mapping[str, int]) -> None:
    page = ask(ports["productpage"], "/login", "username=jason&passwd=x")
    assert "<p>User: jason</p>" in page


def test_missing_service_is_said() -> None:
    port, nobody = free_port(), str(free_port())
    variables = {**os.environ, "DETAILS_HOSTNAME": "127.0.0.1", "DETAILS_SERVICE_PORT": nobody}
    variables |= {"REVIEWS_HOSTNAME": "127.0.0.1", "REVIEWS_SERVICE_PORT": nobody}
    argv = [sys.executable, "-m", "lateen.node.standins.web", "--kind", "bookinfo-productpage"]
    process = subprocess.Popen(
        [*argv, "--port", str(port)], stdout=subprocess.DEVNULL, env=variables
    )
    try:
        wait_for(port)
        page = ask(port, "/productpage")
        assert "Error fetching product details!" in page
        assert "Error fetching product reviews!" in page
    finally:
        process.terminate()
        assert process.wait(10) == 0
