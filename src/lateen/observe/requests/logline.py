"""A log entry in one line, for people. Pure."""

import re

from lateen.observe import redact
from lateen.observe.requests import hops
from lateen.observe.requests.ledger import LogEntry

_LIBRARY = re.compile(r"^(?:error:)?[0-9a-f]+:SSL routines:OPENSSL_internal:")


def line(entry: LogEntry, *, secrets: bool = False) -> str:
    """Return what a proxy logged, the fields of Istio's default line that say something; secret
    query parameters are hidden unless `secrets`."""
    made = entry.entry
    parts = [*_head(entry, secrets=secrets), made.flags or "-"]
    if made.http is not None and made.http.details:
        parts.append(made.http.details)
    parts += [made.termination] * bool(made.termination)
    if made.upstream_failure:
        parts.append(f'upstream="{made.upstream_failure}"')
    if failure := hops.handshake_failure(entry):
        parts.append(f'downstream="{failure}"')
    if made.upstream_cluster:
        parts.append(f"cluster={made.upstream_cluster}")
    if made.upstream_remote:
        parts.append(f"to={made.upstream_remote}")
    if made.downstream.sni:
        parts.append(f"sni={made.downstream.sni}")
    if made.attempts > 1:
        parts.append(f"attempts={made.attempts}")
    if not made.open:
        parts.append(f"{made.duration * 1000:.1f}ms")
    return " ".join(parts)


def _head(entry: LogEntry, *, secrets: bool) -> list[str]:
    made = entry.entry
    if made.http is not None:
        http = made.http
        path = http.original_path or http.path
        path = path if secrets else redact.path(path)
        return [f'"{http.method or "-"} {path or "-"} {http.protocol or "-"}"', str(http.status)]
    if made.log == "listener" or not made.upstream_remote:
        return ["connection refused by the listener"]
    return ["connection opened" if made.open else "connection ended"]


def plain_reason(text: str) -> str:
    """Return an Envoy failure reason without its wrapping and BoringSSL's numbers.

    `TLS_error:|268435648:SSL routines:OPENSSL_internal:NAME:TLS_error_end` is `NAME`.
    """
    inner = text.removeprefix("TLS_error:|").removesuffix(":TLS_error_end")
    words = [_LIBRARY.sub("", part) for part in inner.split("|")]
    return "; ".join(word.strip() for word in words if word.strip())
