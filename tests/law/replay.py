"""Flows that were foretold wrongly once: what they did is recorded, and foretold again on
manifests alone."""

import json
from pathlib import Path
from typing import Any

from lateen.app.foresight import offline
from lateen.app.lab.settings import LabSettings
from lateen.model.manifests import reader
from tests.law import foretold, meshes

Json = dict[str, Any]
HERE = Path(__file__).parent
RECORDED = HERE / "recorded.json"


def recorded() -> list[Json]:
    """Return the flows that were written down."""
    found: list[Json] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


def explained(flow: Json) -> Json:
    """Return what is foretold of a recorded flow."""
    base = (HERE / "base.yaml").read_text(encoding="utf-8")
    texts = (base, meshes.text(flow["objects"]))
    items = [
        offline.Item(_placed(each.body), each.locate)
        for text in texts
        for each in reader.parse(text, "rules.yaml").manifests
    ]
    settings = LabSettings(lab="files", istio=flow["istio"], user=0)
    return offline.explain(items, settings, flow["request"])


def _placed(body: Json) -> Json:
    if body["kind"] == "Namespace":
        return body
    return {**body, "metadata": {"namespace": "default", **body["metadata"]}}


def differences(flow: Json) -> list[foretold.Difference]:
    """Return how a recorded flow differs from what is foretold of it now."""
    told = explained(flow)
    every = [foretold.differences(flow["answer"], b["outcome"]) for b in told["branches"]]
    return min(every, key=len)


def reduced(flow: Json) -> Json:
    """Return of a flow what is worth keeping."""
    answer = flow["answer"]
    kept = ("name", "tls", "client_identity", "server_identity", "failed")
    legs = [
        {
            **{key: leg[key] for key in kept},
            "to": {"role": leg["to"]["role"], "name": leg["to"]["name"]},
            "wire": {key: leg["wire"][key] for key in ("kind", "sni", "alpn")},
            "client_log": _log(leg["client_log"]),
            "server_log": _log(leg["server_log"]),
        }
        for leg in answer["legs"]
    ]
    return {
        **{key: flow[key] for key in ("seed", "istio", "objects", "request")},
        "answer": {
            "response": {key: answer["response"][key] for key in ("status", "error")},
            "legs": legs,
            "verdict": {
                "code": answer["verdict"]["code"],
                "sources": [{"text": s["text"]} for s in answer["verdict"]["sources"]],
            },
        },
    }


def _log(log: Json | None) -> Json | None:
    if log is None:
        return None
    return {key: log[key] for key in ("kind", "status", "flags", "line")}
