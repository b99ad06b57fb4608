"""What was foretold of a request, held against what it did."""

import re
from typing import Any

Json = dict[str, Any]
Difference = tuple[str, object, object]
"""What differs, as it was, as it was foretold."""

_ENDED = re.compile(r"connection (reset|ended|closed) by the other side")
"""Which of them it is depends on who is faster."""


def differences(answer: Json, outcome: Json) -> list[Difference]:
    """Return how an answer of `lateen curl` differs from an outcome of `lateen explain`: status,
    error, class; of each leg its ends, TLS, names, identities, both proxies' status and flags;
    and the object and field that decided."""
    found: list[Difference] = []
    response, verdict = answer["response"], answer["verdict"]
    for name, was, said in (
        ("status", response["status"], outcome["status"]),
        ("error", _words(response["error"]), _words(outcome["error"])),
        ("code", verdict["code"], outcome["code"]),
        ("legs", _names(answer["legs"]), _names(outcome["legs"])),
    ):
        if was != said:
            found.append((name, was, said))
    if _names(answer["legs"]) == _names(outcome["legs"]):
        for real, told in zip(answer["legs"], outcome["legs"], strict=True):
            found += _of_leg(real, told)
    decisive = [source["text"] for source in verdict["sources"]][:1]
    said_of = [source["text"] for source in outcome["sources"]]
    if decisive and not any(_related(decisive[0], each) for each in said_of):
        found.append(("sources", decisive, said_of))
    return found


def _names(legs: list[Json]) -> list[str]:
    return [leg["name"] for leg in legs]


def _words(text: str) -> str:
    return _ENDED.sub("connection ended by the other side", text or "")


def _of_leg(real: Json, told: Json) -> list[Difference]:
    wire = real["wire"]
    seen = bool(wire["sni"] or wire["alpn"])
    pairs = [
        ("tls", real["tls"], told["tls"]),
        ("client", real["client_identity"], told["client_identity"]),
        ("server", real["server_identity"], told["server_identity"]),
        ("client's log", _log(real["client_log"]), _log(told["client_log"])),
        ("server's log", _log(real["server_log"]), _log(told["server_log"])),
        ("failed", real["failed"], told["failed"]),
        ("to", _workload(real["to"]["name"]), _workload(told["to"]["name"])),
    ]
    if seen:
        pairs += [("SNI", wire["sni"], told["sni"]), ("ALPN", wire["alpn"], told["alpn"])]
    return [(f"{real['name']}: {name}", was, said) for name, was, said in pairs if was != said]


def _log(log: Json | None) -> object:
    if log is None:
        return None
    return log["status"], frozenset(log["flags"].split(",")) - {"-"}


def _workload(name: str) -> str:
    """Return a pod of a Deployment without what is drawn at random."""
    parts = name.rsplit("-", 2)
    return parts[0] if len(parts) == 3 else name


def _related(one: str, other: str) -> bool:
    """Whether two sources are the same field, or one is inside the other."""
    return one == other or any(
        long.startswith(f"{short}{mark}")
        for short, long in ((one, other), (other, one))
        for mark in (".", "[", "#")
    )
