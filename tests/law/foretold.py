"""What was foretold of a request, held against what it did."""

import re
from typing import Any

Json = dict[str, Any]
Difference = tuple[str, object, object]
"""What differs, as it was, as it was foretold."""

_ENDED = re.compile(
    r"connection (reset|ended|closed) by the other side"
    r"|Server disconnected( without sending a response\.)?"
    r"|Broken pipe|tlsv13 alert certificate required|the answer is not HTTP"
)
"""Which of them it is depends on who is faster, and on how far the answer came."""
_UNSEEN = frozenset(
    {"application-status", "client-tls", "connection-terminated", "ok", "no-matching-server"}
)
"""What is said of a way whose end nobody saw: the client's words alone."""


def differences(answer: Json, outcome: Json) -> list[Difference]:
    """Return how an answer of `lateen curl` differs from an outcome of `lateen explain`: status,
    error, class; of each leg its ends, TLS, names, identities, both proxies' status and flags;
    and the object and field that decided."""
    found: list[Difference] = []
    response, verdict = answer["response"], answer["verdict"]
    legs, told = _comparable(answer["legs"], outcome["legs"])
    lost = bool(legs) and legs[-1]["to"]["role"] == "service"
    for name, was, said in (
        ("status", response["status"], outcome["status"]),
        ("error", _words(response["error"]), _words(outcome["error"])),
        ("legs", _names(legs), _names(told)),
    ):
        if was != said:
            found.append((name, was, said))
    if not _alike(verdict["code"], outcome["code"]) and not (lost and verdict["code"] in _UNSEEN):
        found.append(("code", verdict["code"], outcome["code"]))
    if _names(legs) == _names(told):
        for real, mine in zip(legs, told, strict=True):
            own = _of_leg(real, mine)
            found += [each for each in own if not (lost and each[0].endswith(": failed"))]
    decisive = [source["text"] for source in verdict["sources"]]
    if not verdict["code"].startswith("jwt-"):
        decisive = decisive[:1]  # logs show no token: every rule for tokens is named alike
    said_of = [source["text"] for source in outcome["sources"]]
    inside = any(leg["failed"] and leg["name"] == "app -> sidecar" for leg in legs[:1])
    past = any(leg["name"] == "app -> app" for leg in outcome["legs"])
    if inside or past:
        return found  # evidence then names the mode of the client's own sidecar
    if verdict["code"] == "ok" and decisive and decisive[0].startswith("AuthorizationPolicy/"):
        return found  # it names every policy that could have refused, asked or not
    if decisive and not any(_related(one, each) for one in decisive for each in said_of):
        found.append(("sources", decisive, said_of))
    return found


def _comparable(real: list[Json], told: list[Json]) -> tuple[list[Json], list[Json]]:
    """Return the legs that can be compared: evidence ends where a Service's address is all that is
    known of the other side, and calls a pod that is reached past its proxy by the proxy's name."""
    if real and real[-1]["to"]["role"] == "service" and len(told) >= len(real):
        last = {**told[len(real) - 1]}
        last["to"] = real[-1]["to"]
        last["server_log"] = real[-1]["server_log"]
        last["server_identity"] = real[-1]["server_identity"]
        last["failed"] = real[-1]["failed"]
        last["name"] = real[-1]["name"]
        return real, [*told[: len(real) - 1], last]
    if len(told) > len(real) > 0 and _pending(real[-1]):
        told = told[: len(real)]
    made = []
    for one, other in zip(real, told, strict=False):
        same = workload(one["to"]["name"]) == workload(other["to"]["name"])
        same = same and one["server_log"] is None
        made.append({**other, "name": one["name"]} if same else other)
    return real, [*made, *told[len(made) :]]


def _pending(leg: Json) -> bool:
    """Whether the last proxy has not told yet where it sent the bytes."""
    log = leg["server_log"]
    return log is None or log["kind"] != "http"


def _alike(was: str, said: str) -> bool:
    """Whether two classes are the same as far as was seen: evidence knows that TLS was wanted only
    where the port is declared so."""
    return was == said or (was, said) in _LESS_SEEN


_LESS_SEEN = frozenset({("application-status", "plaintext-to-tls")})


def _open(leg: Json) -> bool:
    """Whether all that the server's proxy has told is that bytes began: identities come later."""
    log = leg["server_log"]
    return log is not None and log["kind"] == "tcp" and "connection opened" in log["line"]


def _names(legs: list[Json]) -> list[str]:
    return [leg["name"] for leg in legs]


def _words(text: str) -> str:
    plain = _ENDED.sub("connection ended by the other side", text or "")
    return plain.removeprefix("TLS: ") if plain.endswith("by the other side") else plain


def _of_leg(real: Json, told: Json) -> list[Difference]:
    wire = real["wire"]
    seen = bool(wire["sni"] or wire["alpn"])
    pairs = [
        ("tls", real["tls"], told["tls"]),
        ("client", real["client_identity"], told["client_identity"]),
        ("server", real["server_identity"], told["server_identity"]),
        ("client's log", _log(real["client_log"]), _log(told["client_log"])),
        ("server's log", *_servers(real, told)),
        ("failed", real["failed"], told["failed"]),
        ("to", workload(real["to"]["name"]), workload(told["to"]["name"])),
    ]
    if seen:
        pairs += [("SNI", wire["sni"], told["sni"]), ("ALPN", wire["alpn"], told["alpn"])]
    if _open(real):
        pairs = pairs[2:]
    return [(f"{real['name']}: {name}", was, said) for name, was, said in pairs if was != said]


def _log(log: Json | None) -> object:
    """Return a log's status and flags. Whether the end of bytes is called UR (a reset) depends on
    what was still on the way."""
    if log is None:
        return None
    flags = frozenset(log["flags"].split(",")) - {"-"}
    return log["status"], flags - {"UR"} if log["status"] is None else flags


def _servers(real: Json, told: Json) -> tuple[object, object]:
    """Return both server's logs. Of a client whose handshake failed no address is known, by which
    the server's log would be found."""
    was, said = _log(real["server_log"]), _log(told["server_log"])
    client = real["client_log"]
    lost = was is None and client is not None and "TLS" in client["line"]
    return (said, said) if lost else (was, said)


def workload(name: str) -> str:
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
