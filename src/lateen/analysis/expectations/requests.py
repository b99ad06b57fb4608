"""Requests that were sent, as cases and as what cases are judged by. Pure.

A story is the document of `lateen curl -o json`.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from lateen.base.jsonvalue import Json, JsonView
from lateen.causes import catalogue
from lateen.causes.cause import Category
from lateen.model.labapi.request import CurlRequest

_POD = re.compile(r"(.+)-[a-z0-9]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}")
"""A Deployment's name, and what is added to it for its pods."""
_TLS = {"none": "plaintext", "tls": "tls", "mtls": "mtls"}
_MEANT = (Category.NONE, Category.ANSWER)


def told(story: JsonView) -> Json:
    """Return what a request did in the form of a prediction that has one branch."""
    response, verdict = story["response"], story["verdict"]
    cause = catalogue.BY_CODE[verdict["code"]]
    reached = cause.category in _MEANT and response["status"] is not None
    outcome = {
        "status": response["status"],
        "error": response["error"],
        "code": verdict["code"],
        "reached": reached,
        "words": cause.words,
        "hints": verdict["hints"],
        "unknown": "",
        "destination": _destination(story) if reached else "",
        "cluster": "",
        "sources": verdict["sources"],
        "steps": [],
        "legs": story["legs"],
    }
    branch = {"share": 1.0, "conditions": [], "outcome": outcome}
    return {"exit": 0 if reached else 1, "open": "", "branches": [branch]}


def _destination(story: JsonView) -> str:
    last = story["legs"][-1]["to"] if story["legs"] else {"role": "", "name": ""}
    return str(last["name"]) if last["role"] in ("app", "sidecar") else ""


def case(asked: CurlRequest, story: JsonView) -> Json:
    """Return a case of a request that was sent: what it came to is what is expected of it from now
    on."""
    outcome = told(story)["branches"][0]["outcome"]
    request: Json = {"url": asked.url}
    if asked.origin:
        request |= {"from": _from(asked.origin), "namespace": asked.namespace}
    headers = dict(asked.headers)
    for key, value, usual in (
        ("method", asked.method, "GET"),
        ("headers", headers, {}),
        ("http", asked.http, "1.1"),
        ("insecure", asked.insecure, False),
    ):
        if value != usual:
            request[key] = value
    return {"name": _name(asked, outcome), "request": request, "expect": _expected(outcome)}


def _from(origin: str) -> str:
    kind, _, name = origin.rpartition("/")
    found = _POD.fullmatch(name)
    return f"deploy/{found[1]}" if found and kind in ("", "pod") else f"{kind or 'pod'}/{name}"


def _name(asked: CurlRequest, outcome: JsonView) -> str:
    came = outcome["status"] or outcome["code"]
    start = _from(asked.origin) if asked.origin else "outside"
    return f"{asked.method} {asked.url} from {start}: {came}"


def _expected(outcome: JsonView) -> Json:
    found: Json = {}
    if outcome["status"] is not None:
        found["status"] = outcome["status"]
    if not outcome["reached"]:
        found |= {"outcome": "failed", "code": outcome["code"]}
    namespace, _, pod = outcome["destination"].partition("/")
    if pod:
        owner = _POD.fullmatch(pod)
        found["destination"] = f"{namespace}/{owner[1] if owner else pod}"
    between = [leg for leg in outcome["legs"] if leg["from"]["name"] != leg["to"]["name"]]
    if between and (tls := _TLS.get(between[-1]["tls"])):
        found["tls"] = tls
        ends = {side: between[-1][f"{side}_identity"] for side in ("client", "server")}
        known = {side: identity for side, identity in ends.items() if "/ns/" in identity}
        if tls == "mtls" and known:
            found["identity"] = known
    if outcome["sources"] and not outcome["reached"]:
        found["decided-by"] = outcome["sources"][0]["text"].partition("#")[0]
    return found


def of_hop(told: Mapping[str, Any]) -> Json | None:
    """Return a case of a line of `lateen tap`; None for one that is no request of HTTP. What a
    gateway sends on is to be left out before: its client's request is the case."""
    if ":status" not in told or not told.get(":authority"):
        return None
    namespace, _, name = told["src"].rpartition("/")
    start = _from(f"pod/{name}") if namespace else ""
    url, method = f"http://{told[':authority']}{told.get(':path', '/')}", told[":method"]
    request: Json = {"url": url}
    if start:
        request |= {"from": start, "namespace": namespace}
    if method != "GET":
        request["method"] = method
    if told.get("protocol") == "HTTP/2":
        request["http"] = "2"
    words = f"{method} {url} from {start or 'outside'}: {told[':status']}"
    expect: Json = {"status": told[":status"]}
    if start and told["tls"] in _TLS:
        expect["tls"] = _TLS[told["tls"]]
    return {"name": words, "request": request, "expect": expect}


def entry(written: Json) -> str:
    """Return a case as an entry of the list `cases`, to stand below that name."""
    text: str = yaml.safe_dump([written], sort_keys=False, width=120, allow_unicode=True)
    return text


HEAD = "cases:\n"
"""What a file of cases begins with, where the mesh is named on the command line."""
