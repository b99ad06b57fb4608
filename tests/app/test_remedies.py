"""What mends a request is tried before it is told: the patched manifests are compiled, and the
request explained again."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lateen.app.foresight import offline
from lateen.app.lab.settings import LabSettings
from lateen.model.manifests import reader

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
    return offline.explain(items, settings, {"url": url, **asked}, files), files


def placed(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {"namespace": "default", **body["metadata"]}}


WHO = "cluster.local/ns/default/sa/default"
CLIENT = {"from": "deploy/client"}


@pytest.mark.parametrize(
    ("url", "texts", "asked", "titles"),
    [
        (
            "http://server/",
            (STRICT, DISABLE),
            CLIENT,
            [
                "DestinationRule/server: TLS mode ISTIO_MUTUAL",
                "DestinationRule/server: no TLS mode of its own, so that mutual TLS is automatic",
                "PeerAuthentication/default: mode PERMISSIVE",
            ],
        ),
        (
            "http://server/",
            (STRICT,),
            {"from": "deploy/naked"},
            ["Deployment/naked: a sidecar", "PeerAuthentication/default: mode PERMISSIVE"],
        ),
        (
            "http://server/",
            (ONLY_OTHERS,),
            CLIENT,
            [
                f"AuthorizationPolicy/callers: allow {WHO}",
                f"AuthorizationPolicy/callers: a rule that allows {WHO}",
            ],
        ),
        (
            "http://slow/delay/3",
            (SHORT,),
            CLIENT,
            [
                "VirtualService/slow: a timeout of 5 s",
                "VirtualService/slow: a timeout of 15 s",
                "VirtualService/slow: a timeout of 60 s",
            ],
        ),
        ("http://server:81/", (), CLIENT, ["Service/server: targetPort 80"]),
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


def test_nothing_is_told_that_does_not_help() -> None:
    told, _ = explained("http://nobody.example:81/", STRICT, **CLIENT)
    assert told["exit"] == 1
    assert told["remedies"] == []
