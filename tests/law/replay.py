"""Flows that were foretold wrongly once: what they did is recorded, and foretold again on
manifests alone."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from lateen.app.foresight import offline, rehearsal, remedies, state
from lateen.app.lab.settings import LabSettings
from lateen.model.labapi.explain import ExplainRequest
from lateen.model.manifests import reader
from tests.e2e import credentials
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
    items, settings = _items(flow["objects"]), _settings(flow["istio"])
    return offline.explain(items, settings, msgspec.convert(flow["request"], ExplainRequest))


def _settings(istio: str) -> LabSettings:
    return LabSettings(lab="files", istio=istio, user=0)


def _items(objects: list[Json]) -> list[offline.Item]:
    base = (HERE / "base.yaml").read_text(encoding="utf-8")
    return [
        offline.Item(_placed(each.body), each.locate)
        for text in (base, _secrets(), meshes.text(objects))
        for each in reader.parse(text, "rules.yaml").manifests
    ]


@functools.cache
def _secrets() -> str:
    """Return certificates like those that the law's labs have."""
    return credentials.every()


def _placed(body: Json) -> Json:
    if body["kind"] == "Namespace":
        return body
    return {**body, "metadata": {"namespace": "default", **body["metadata"]}}


def differences(flow: Json) -> list[foretold.Difference]:
    """Return how a recorded flow differs from what is foretold of it now."""
    told = explained(flow)
    every = [foretold.differences(flow["answer"], b["outcome"]) for b in told["branches"]]
    return min(every, key=len)


def compiled(objects: list[Json], istio: str) -> tuple[rehearsal.Rehearsal, state.Foresight]:
    """Return the law's workloads with the objects of a mesh, and what foretells about them."""
    made = rehearsal.Rehearsal(_items(objects), _settings(istio))
    return made, offline.foresight(made, {})


def different(mesh: Json) -> Iterator[str]:
    """Yield the seeds of the flows of a mesh (a line of a corpus) that are not foretold as they
    came out. The mesh is compiled once."""
    made, known = compiled(mesh["objects"], mesh["istio"])
    for flow in mesh["flows"]:
        question = msgspec.convert(flow["request"], ExplainRequest)
        told = remedies.explained(known, question, None, made.locate)
        every = [foretold.differences(flow["answer"], b["outcome"]) for b in told["branches"]]
        if min(every, key=len):
            yield str(flow["seed"])


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
