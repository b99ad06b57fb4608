"""What mends a request is tried before it is told: the patched manifests are compiled, and the
request explained again."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from lateen.app.foresight import grounds, offline, remedies
from lateen.app.lab.settings import LabSettings
from lateen.model.labapi.explain import ExplainRequest
from lateen.model.manifests import edit, reader

ROOT = Path(__file__).parents[2]
WORKLOADS = (ROOT / "tests" / "e2e" / "failures" / "workloads.yaml").read_text(encoding="utf-8")
STRICT = """\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec:
  mtls:
    mode: STRICT
"""
DISABLE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: server}
spec:
  host: server
  trafficPolicy:
    tls: {mode: DISABLE}
"""
TLS_ONLY = """\
apiVersion: v1
kind: Service
metadata: {name: secure}
spec:
  selector: {app: server}
  ports:
  - {name: https, port: 80, targetPort: 443}
---
"""
ONLY_OTHERS = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: callers}
spec:
  selector: {matchLabels: {app: server}}
  rules:
  - from:
    - source:
        principals: [cluster.local/ns/default/sa/other]
"""
ALL_BUT = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: others}
spec:
  selector: {matchLabels: {app: server}}
  action: DENY
  rules:
  - from:
    - source:
        notNamespaces: [elsewhere]
"""
SHORT = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: slow}
spec:
  hosts: [slow]
  http:
  - timeout: 0.5s
    route: [{destination: {host: slow}}]
"""


def explained(url: str, *texts: str, **asked: Any) -> tuple[Any, dict[str, str]]:
    files = {f"{number}.yaml": text for number, text in enumerate((WORKLOADS, *texts))}
    items = [
        offline.Item(placed(each.body), each.locate, file, each.line)
        for file, text in files.items()
        for each in reader.parse(text, file).manifests
    ]
    settings = LabSettings(lab="files", istio="1.32", user=0)
    request = msgspec.convert({"url": url, **asked}, ExplainRequest)
    return offline.explain(items, settings, request, files), files


def placed(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {"namespace": "default", **body["metadata"]}}


CLIENT = {"from": "deploy/client"}


@pytest.mark.parametrize(
    ("url", "texts", "asked", "titles"),
    [
        (
            "http://server/",
            (STRICT, DISABLE),
            CLIENT,
            [
                "let the client's proxy use mutual TLS",
                "leave the TLS of it to Istio, which sees what the server takes",
                "let the server accept plaintext too",
            ],
        ),
        (
            "http://server/",
            (STRICT,),
            {"from": "deploy/naked"},
            ["give the client a sidecar", "let the server accept plaintext too"],
        ),
        (
            "http://server/",
            (ONLY_OTHERS,),
            CLIENT,
            [
                "if this client is to be allowed, allow its identity by the rule that is there",
            ],
        ),
        (
            "http://slow/delay/3",
            (SHORT,),
            CLIENT,
            [
                "wait for 5 s",
                "wait as long as it takes",
            ],
        ),
        ("http://server:81/", (), CLIENT, ["send it to port 80, where the application listens"]),
    ],
)
def test_remedies(
    url: str, texts: tuple[str, ...], asked: dict[str, Any], titles: list[str]
) -> None:
    told, _ = explained(url, *texts, **asked)
    assert told["exit"] == 1
    assert [each["title"] for each in told["remedies"]] == titles
    weakening = [each["weakens"] for each in told["remedies"]]
    assert weakening == sorted(weakening), "what lets in what was kept out comes last"


def test_a_remedy_s_diff_makes_the_request_work() -> None:
    """The patch is laid over the file as `patch` would, and the request explained anew."""
    told, files = explained("http://server/", STRICT, DISABLE, **CLIENT)
    (remedy, *_) = told["remedies"]
    name, removed, added = "2.yaml", [], []
    for line in remedy["diff"].splitlines()[2:]:
        if line.startswith("-"):
            removed.append(line[1:])
        elif line.startswith("+"):
            added.append(line[1:])
    patched = files[name].replace("\n".join(removed), "\n".join(added))
    assert yaml.safe_load(patched)["spec"]["trafficPolicy"]["tls"]["mode"] == "ISTIO_MUTUAL"
    again, _ = explained("http://server/", STRICT, patched, **CLIENT)
    assert again["exit"] == 0
    assert remedy["then"]["legs"][1] == {"name": "sidecar -> sidecar", "tls": "mtls"}


def in_a_lab(url: str, *texts: str, **asked: Any) -> Any:
    """The same of objects as a lab holds them: there is no file to be changed."""
    items = [
        offline.Item(placed(each.body), each.locate, "lab", each.line)
        for text in (WORKLOADS, *texts)
        for each in reader.parse(text, "lab").manifests
    ]
    settings = LabSettings(lab="lab", istio="1.32", user=0)
    made = offline.rehearsal.Rehearsal(items, settings)
    known = offline.foresight(made, settings.images)
    ground = grounds.LabGround(known, made.settings, injected=True)
    question = msgspec.convert({"url": url, **asked}, ExplainRequest)
    return remedies.explained(known, question, ground, made.locate)


def test_a_lab_s_objects_are_patched_as_they_are_applied() -> None:
    told = in_a_lab("http://server/", STRICT, DISABLE, **CLIENT)
    assert [each["text"].partition(": ")[2] for each in told["remedies"]] == [
        "set spec.trafficPolicy.tls.mode of DestinationRule/default/server to ISTIO_MUTUAL",
        "remove spec.trafficPolicy.tls from DestinationRule/default/server",
        "set spec.mtls.mode of PeerAuthentication/default/default to PERMISSIVE",
    ]
    assert not any(each["diff"] for each in told["remedies"])
    assert told["remedies"][0]["then"]["status"] == 200


def test_a_lab_s_pods_get_the_sidecar_that_would_mend_it() -> None:
    told = in_a_lab("http://server/", STRICT, **{"from": "deploy/naked"})
    assert told["remedies"][0]["title"] == "give the client a sidecar"
    legs = [leg["tls"] for leg in told["remedies"][0]["then"]["legs"]]
    assert legs == ["none", "mtls", "none"]


def test_a_lab_s_service_is_patched_with_its_endpoints() -> None:
    told = in_a_lab("http://server:81/", **CLIENT)
    assert told["remedies"][0]["title"] == "send it to port 80, where the application listens"
    assert told["remedies"][0]["then"]["status"] == 200


def test_an_object_that_is_added_is_a_document_of_the_diff() -> None:
    """A policy without a selector may name no port: one of its own lets the TLS through."""
    rule = DISABLE.replace("server", "secure").replace("DISABLE", "SIMPLE")
    told, _ = explained("http://secure/", TLS_ONLY, STRICT, rule, **CLIENT)
    assert told["branches"][0]["outcome"]["code"] == "server-certificate-untrusted"
    (remedy,) = told["remedies"]
    assert "+---" in remedy["diff"]
    assert [each["object"] for each in remedy["edits"]] == [
        "DestinationRule/default/secure",
        "PeerAuthentication/default/secure-own-tls",
    ]
    assert remedy["weakens"]


def test_a_document_is_taken_out_of_its_file() -> None:
    first, second, third = "a: 1\n", "---\nb: 2\n", "---\nc: 3\n"
    text = first + second + third
    assert edit.without(text, 1) == "c: 3\n".join(("b: 2\n---\n", ""))
    assert edit.without(text, 3) == first + third
    assert edit.without(text, 5) == first + second


def test_nothing_is_told_that_does_not_help() -> None:
    told, _ = explained("http://nobody.example:81/", STRICT, **CLIENT)
    assert told["exit"] == 1
    assert told["remedies"] == []


def test_a_rule_that_refuses_all_but_some_leaves_one_more_alone() -> None:
    found, _ = explained("http://server/", ALL_BUT, **CLIENT)
    (remedy,) = found["remedies"]
    assert remedy["weakens"]
    assert "notNamespaces: [elsewhere, default]" in remedy["diff"]
