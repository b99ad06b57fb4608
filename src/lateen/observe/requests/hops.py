"""What a log entry says about success. Pure."""

import msgspec

from lateen.observe.requests.ledger import LogEntry

_NO_FAILURES = frozenset({"", "-", "DI", "DC", "DR"})
"""Flags that do not say that a proxy could not carry on: DI is an injected delay, DC that who
asked went away, DR that it took back one request of an HTTP/2 connection."""
_CONNECTION_FLAGS = frozenset({"UF", "UH", "URX", "NC", "UO", "UC", "UT"})
_NOT_AUTHORIZED = "rbac_access_denied_matched_policy["
NO_RULE = "none"
"""What Envoy calls the rule that refused when it was not one: nothing allowed it."""
_UNCONNECTED = ("connect_error", "connect error", "connection_timeout", "{overflow}")
"""What Envoy says of requests for which no connection was made."""
_ANSWERED = "via_upstream"
"""What Envoy says of an answer that came from the server."""
_OWN_ANSWERS = frozenset({"direct_response", "cors_response"})
_INSPECTOR = "TLS_error|"
"""How the TLS inspector, which looks at the first bytes where TLS and plaintext are allowed, says
that they are no TLS. What a handshake says begins with `TLS_error:|`. Only some methods of HTTP
have a word of their own (HTTP_REQUEST); DELETE, say, is a wrong version number to it."""
_NOT_TLS = ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER")
"""What a server's TLS library calls bytes that are no TLS."""


def rank(entry: LogEntry) -> tuple[int, int]:
    """Order entries about one connection by how much they tell; the newest of equals wins."""
    made = entry.entry
    if made.http is not None:
        worth = 4
    elif made.upstream_remote:
        worth = 2 if made.open else 3
    else:
        worth = 1 if made.log == "listener" else 0
    return worth, entry.number


def best(entries: list[LogEntry]) -> LogEntry | None:
    """Return the entry about a connection that tells most.

    A TCP proxy connects onward before its client's handshake is finished: an entry of a handshake
    that failed says more than one of the onward connection, which then carried nothing.
    """
    if not entries:
        return None
    failures = [e for e in entries if handshake_failure(e)]
    if not failures:
        return max(entries, key=rank)
    chosen = max(failures, key=rank)
    told = msgspec.structs.replace(chosen.entry, upstream_remote="", upstream_local="")
    return msgspec.structs.replace(chosen, entry=told)


def during(found: LogEntry, entry: LogEntry) -> bool:
    """Whether what was found began while a request was worked on."""
    since = (found.entry.start - entry.entry.start).total_seconds()
    return 0 <= since <= entry.entry.duration


def handshake_failure(entry: LogEntry | None) -> str:
    """Return why a proxy's handshake with its client failed, or the empty string."""
    if entry is None:
        return ""
    reason = entry.entry.downstream_failure
    return "" if reason.startswith(_INSPECTOR) else reason


def met_plaintext(entry: LogEntry) -> bool:
    """Whether a proxy's handshake with its client failed because what came was no TLS."""
    reason = handshake_failure(entry)
    return any(word in reason for word in _NOT_TLS)


def refused_handshake(entry: LogEntry) -> bool:
    """Whether a proxy turned a connection away before any request or onward connection."""
    made = entry.entry
    if made.http is not None or made.upstream_remote:
        return False
    return bool(handshake_failure(entry)) or made.termination != "" or made.flags == "NR"


def refusing_rule(entry: LogEntry | None) -> str:
    """Return the authorization rule by which a proxy refused a request or connection, as Envoy
    tells it; NO_RULE if none allowed it, empty if it was not refused by rules."""
    if entry is None:
        return ""
    made = entry.entry
    details = made.http.details if made.http is not None else made.termination
    found = details.startswith(_NOT_AUTHORIZED) and details.endswith("]")
    return details[len(_NOT_AUTHORIZED) : -1] if found else ""


_DENIED = "ext_authz_denied"
_NOT_ALLOWED_BY_ASKED = "UAEX"
_OF_FILTERS = ("jwt_authn_access_denied{", _DENIED, "ext_authz_error")


def refusal(entry: LogEntry | None) -> str:
    """Return the details of an answer by which a filter of a proxy refused a request, as Envoy
    tells it; empty if none did. Of a connection its report has a flag alone, which is the same
    where the authorizer gave no decision."""
    made = entry.entry if entry is not None else None
    if made is not None and made.http is None:
        return _DENIED if _NOT_ALLOWED_BY_ASKED in made.flags.split(",") else ""
    details = made.http.details if made is not None and made.http is not None else ""
    return details if details.startswith(_OF_FILTERS) else ""


def refused(entry: LogEntry | None) -> bool:
    """Whether the entry says that the connection or what came on it was not acceptable."""
    if entry is None:
        return False
    if refused_handshake(entry) or refusing_rule(entry) or refusal(entry):
        return True
    return "DPE" in entry.entry.flags.split(",")


def failed(entry: LogEntry | None) -> bool:
    """Whether a proxy could not carry on: it, not the application, made the answer."""
    if entry is None or entry.entry.open:
        return False
    made = entry.entry
    flags = set(made.flags.split(",")) - _NO_FAILURES
    if made.http is None:
        return bool(flags & _CONNECTION_FLAGS) or bool(made.upstream_failure)
    if flags == {"URX"}:  # attempts are used up: the last one may have been answered all the same
        return made.http.status >= 400 and made.http.details != _ANSWERED
    return bool(flags)


def complaint(entry: LogEntry) -> str:
    """Return flags and details of an entry, what it is called in the text log."""
    made = entry.entry
    if made.http is not None:
        details = made.http.details
    elif made.flags == "NR" and not made.termination:
        details = "filter_chain_not_found"
    else:
        details = made.termination
    return f"{made.flags} {details}".strip()


def chosen(entry: LogEntry) -> bool:
    """Whether a proxy answered by itself as it was told to: a redirect, a fixed response, or the
    answer to a preflight that a corsPolicy allows."""
    return entry.entry.http is not None and entry.entry.http.details in _OWN_ANSWERS


def reached(entry: LogEntry) -> bool:
    """Whether a proxy's connection got as far as the server, so that the server logs it."""
    made = entry.entry
    text = f"{made.upstream_failure} {made.http.details if made.http else ''}"
    return not any(word in text for word in _UNCONNECTED)


def handed_on(entry: LogEntry) -> bool:
    """Whether a sidecar gave a request to its application."""
    return bool(entry.entry.upstream_remote) and not refusing_rule(entry)
