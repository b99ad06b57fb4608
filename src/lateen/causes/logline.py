"""What one line of a proxy's access log means, by its flags and details. Pure."""

import re

import msgspec

from lateen.causes import catalogue
from lateen.causes.cause import Cause

_REQUEST = re.compile(
    r'"(?P<request>[^"]*)" (?P<status>\d{1,3}) (?P<flags>\S+) (?P<details>\S+) (?P<ended>\S+)'
    r' "(?P<failure>[^"]*)"'
)
"""Istio's default format, up to the transport's failure."""
_FLAGS = re.compile(r"\b[A-Z]{2,5}(?:,[A-Z]{2,5})*\b")
_RULE = re.compile(r"rbac_access_denied_matched_policy\[([^\]]*)\]")
_ALIKE = (
    catalogue.PLAINTEXT_TO_STRICT,
    catalogue.NO_MESH_CERTIFICATE,
    catalogue.CLIENT_CERTIFICATE_UNTRUSTED,
    catalogue.CLIENT_CERTIFICATE_EXPIRED,
    catalogue.NO_CLIENT_CERTIFICATE,
    catalogue.CONNECTION_TERMINATED,
)
"""What a client's proxy logs in the same words: under TLS 1.3 it hears no reason."""
_REFUSAL = re.compile(r"jwt_authn_access_denied\{[^}]*|ext_authz_(denied|error)")
_NO_RULE = "none"


class LogMeaning(msgspec.Struct, frozen=True):
    """What was read of a line, and the failure classes that it may be about."""

    status: int | None
    flags: frozenset[str]
    details: str
    causes: tuple[Cause, ...]
    """Empty where it tells of no failure; several where only the other side's log tells which."""


def read(line: str) -> LogMeaning:
    """Return what a line means: Istio's default format, or flags and a response-code detail."""
    found = _REQUEST.search(line)
    if found is not None:
        flags = frozenset(found["flags"].split(",")) - {"-"}
        details, failure = found["details"], found["failure"]
        status: int | None = int(found["status"])
        details = "" if details == "-" else details
    else:
        word = _FLAGS.search(line)
        flags = frozenset(word[0].split(",")) if word is not None else frozenset()
        details, failure, status = line, "", None
    return LogMeaning(status, flags, details, _causes(flags, f"{failure} {details}", status))


def _causes(flags: frozenset[str], said: str, status: int | None) -> tuple[Cause, ...]:
    rule = _RULE.search(said)
    if rule is not None:
        if rule[1] != _NO_RULE:
            return (catalogue.RBAC_DENIED,)
        return (catalogue.RBAC_NOT_ALLOWED, catalogue.RBAC_NO_IDENTITY, catalogue.RBAC_NO_TOKEN)
    if (refusal := _REFUSAL.search(said)) is not None:
        found = catalogue.by_details(refusal[0])
        return (found,) if found is not None else ()
    if "filter_chain_not_found" in said:
        return (
            catalogue.PLAINTEXT_TO_STRICT,
            catalogue.NO_MATCHING_SERVER,
            catalogue.PLAINTEXT_TO_TLS_PORT,
        )
    if "low_version" in said:
        return (catalogue.HTTP_1_0,)
    if "DPE" in flags:
        return (catalogue.TLS_TO_HTTP_PORT, catalogue.DOUBLE_TLS, catalogue.NOT_HTTP)
    exact = catalogue.by_client(said) or catalogue.by_server(said)
    if exact is not None:
        return (exact,)
    if "UC" in flags:
        return _ALIKE
    by_flag = catalogue.by_flags(flags)
    if by_flag is not None:
        return (by_flag,)
    if status is not None and status >= 400:
        return (catalogue.APPLICATION_STATUS, catalogue.DIRECT_RESPONSE)
    return ()
