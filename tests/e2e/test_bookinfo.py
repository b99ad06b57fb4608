"""Istio's Bookinfo with the images' published names, applied by kubectl, its databases included."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e

Json = dict[str, Any]
FOLDER = Path(__file__).parent / "bookinfo"
PRODUCTPAGE = "http://istio-ingressgateway/productpage"


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("books", ordinary=True)
    started = made.lateen("up")
    assert started.returncode == 0, started.stdout + started.stderr
    done = made.kubectl("apply", "-f", str(FOLDER))
    assert done.returncode == 0, done.stderr
    waited = made.kubectl("wait", "--for=condition=Available", "deploy", "--all", "--timeout=50s")
    assert waited.returncode == 0, waited.stderr + made.ok("status")
    return made


def answered(lab: Lab, url: str) -> int:
    told = json.loads(lab.ok("curl", url, "-o", "json"))
    return int(told["response"]["status"])


def page(lab: Lab) -> str:
    assert answered(lab, PRODUCTPAGE) == 200
    return lab.ok("exec", "deploy/ratings-v2", "-c", "ratings", "--", "python3", "-c", ASK)


ASK = """
from urllib.request import urlopen
print(urlopen("http://productpage:9080/productpage").read().decode())
"""


def only(lab: Lab, version: str) -> None:
    """Lead all requests for ratings to one version, and those for reviews to v3."""
    rules = []
    for host, wanted in (("ratings", version), ("reviews", "v3")):
        subset = f"subsets: [{{name: it, labels: {{version: {wanted}}}}}]"
        rules.append(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
            f"metadata: {{name: {host}, namespace: default}}\n"
            f"spec: {{host: {host}, {subset}}}\n"
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
            f"metadata: {{name: {host}, namespace: default}}\nspec:\n  hosts: [{host}]\n"
            f"  http: [{{route: [{{destination: {{host: {host}, subset: it}}}}]}}]\n"
        )
    lab.ok("apply", "-f", "-", stdin="---\n".join(rules))


@pytest.mark.parametrize("version", ["v2-mysql", "v2"])
def test_stars_come_from_the_database(lab: Lab, version: str) -> None:
    only(lab, version)
    found = page(lab)
    assert "<title>Simple Bookstore App</title>" in found
    assert found.count("glyphicon-star") == 9
    assert "Error fetching" not in found
    assert '<font color="red">' in found


def journeys(lab: Lab, count: int) -> list[Json]:
    """Send so many requests, one after the other, while as many others are on their way."""
    argv = [sys.executable, "-m", "lateen.cli.entry", "curl", PRODUCTPAGE, "-n", str(count)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    others = [subprocess.Popen(lab.command(*argv), env=lab.env, **quiet) for _ in range(2)]
    told = lab.ok("curl", PRODUCTPAGE, "-n", str(count), "-o", "json", timeout=300)
    for other in others:
        other.wait(300)
    found, decoder = [], json.JSONDecoder()
    while told.strip():
        answer, end = decoder.raw_decode(told.lstrip())
        found.append(answer)
        told = told.lstrip()[end:]
    return found


def tree(calls: list[Json]) -> list[Any]:
    """Return each call with its legs and its own calls, sorted by what was asked for."""
    return sorted(
        [call["request"], [(leg["name"], leg["tls"]) for leg in call["legs"]], tree(call["calls"])]
        for call in calls
    )


CALLED = [("app -> sidecar", "none"), ("sidecar -> sidecar", "mtls"), ("sidecar -> app", "none")]


def wrong(answer: Json) -> object:
    """Return what a journey has that is not so: nothing, if it is the whole tree of calls."""
    legs = [(leg["name"], leg["tls"]) for leg in answer["legs"]]
    lines = [leg["server_log"]["line"] for leg in answer["legs"][:2] if leg["server_log"]]
    ratings = ["GET /ratings/0", CALLED, []]
    calls = [["GET /details/0", CALLED, []], ["GET /reviews/0", CALLED, [ratings]]]
    way = [("client -> gateway", "none"), ("gateway -> sidecar", "mtls"), CALLED[-1]]
    if legs == way and tree(answer["calls"]) == calls and len(lines) == 2:
        return all("GET /productpage" in line for line in lines) or lines
    return legs, tree(answer["calls"]), lines


def test_every_journey_is_the_whole_tree_of_calls_each_leg_right(lab: Lab) -> None:
    """The gateway's leg is never an application's own call, however many requests there are."""
    only(lab, "v2-mysql")
    assert answered(lab, PRODUCTPAGE) == 200
    count = int(os.environ.get("LATEEN_JOURNEYS", "10"))
    found = journeys(lab, count)
    assert len(found) == count
    assert [wrong(answer) for answer in found if wrong(answer) is not True] == []


def test_a_database_that_is_gone_is_told_as_the_images_tell_it(lab: Lab) -> None:
    only(lab, "v2-mysql")
    lab.ok("delete", "svc/mysqldb")
    assert "Ratings service is currently unavailable" in page(lab)


def test_static_files_are_served(lab: Lab) -> None:
    url = "http://istio-ingressgateway/static/tailwind/tailwind.css"
    assert answered(lab, url) == 200
