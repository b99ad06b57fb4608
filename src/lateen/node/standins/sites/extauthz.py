"""The external authorizer of Istio's samples: checks over HTTP and over Envoy's gRPC API.

A request is allowed whose `x-ext-authz` header is `allow`; over gRPC one without that header is
allowed too if its client's service account is the one of `allow_service_account`.
"""

import sys
from collections.abc import Callable, Mapping

from lateen.node.standins import grpcmessage
from lateen.node.standins.grpcmessage import field, fields
from lateen.node.standins.http1 import Site, SiteRequest, SiteResponse
from lateen.node.standins.sites.pages import http_date

_CHECK, _ALLOW = "x-ext-authz", "allow"
_RESULT = "x-ext-authz-check-result"
_RECEIVED = "x-ext-authz-check-received"
_OVERRIDE = "x-ext-authz-additional-header-override"
_DENIED = f"denied by ext_authz for not found header `{_CHECK}: {_ALLOW}` in the request"
_LONGEST = 60_000
"""Envoy takes no header of more than 60 KiB."""

_PERMISSION_DENIED = 7


def _inner(message: bytes, *path: int) -> bytes:
    for number in path:
        message = next((value for found, value in fields(message) if found == number), b"")
    return message


def _checked(message: bytes) -> tuple[dict[str, str], str, str]:
    """Return the headers, the client's principal and a short account of a CheckRequest."""
    http = _inner(message, 1, 4, 2)
    headers = {}
    for number, entry in fields(http):
        if number == 3:
            name, value = _inner(entry, 1), _inner(entry, 2)
            headers[name.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
    principal = _inner(message, 1, 1, 4).decode("utf-8", "replace")
    parts = [_inner(http, number).decode("utf-8", "replace") for number in (2, 5, 4)]
    account = f'source:{{principal:"{principal}"}} request:{{http:{{method:"{parts[0]}" '
    return headers, principal, f'{account}host:"{parts[1]}" path:"{parts[2]}"}}}}'


def _options(number: int, pairs: Mapping[str, str]) -> bytes:
    """Write headers as a repeated HeaderValueOption."""
    return b"".join(
        field(number, field(1, field(1, name) + field(2, value))) for name, value in pairs.items()
    )


def _answer(allowed: bool, received: str) -> bytes:
    result = "allowed" if allowed else "denied"
    pairs = {_RESULT: result, _RECEIVED: received}
    pairs[_OVERRIDE] = "grpc-additional-header-override-value"
    if allowed:
        return field(1, b"") + field(3, _options(2, pairs))
    refused = field(1, field(1, 403)) + _options(2, pairs) + field(3, _DENIED)
    return field(1, field(1, _PERMISSION_DENIED)) + field(2, refused)


def _grpc(request: SiteRequest, account: str) -> SiteResponse:
    if not request.path.endswith("/Check") or len(request.body) < 5:
        return grpcmessage.refusal(grpcmessage.UNIMPLEMENTED)
    try:
        found, principal, received = _checked(request.body[5:])
    except ValueError:
        return grpcmessage.refusal(grpcmessage.INTERNAL)
    allowed = principal.endswith(f"/sa/{account}")
    if _CHECK in found:
        allowed = found[_CHECK] == _ALLOW
    sys.stdout.write(f"[gRPCv3][{'allowed' if allowed else 'denied'}]: {received}\n")
    sys.stdout.flush()
    return grpcmessage.answer(_answer(allowed, received[:_LONGEST]))


def _http(request: SiteRequest) -> SiteResponse:
    headers = {name: value for name, value in request.headers if name.lower() != "host"}
    body = request.body.decode("utf-8", "replace")
    told = ", ".join(f"{name}:[{value}]" for name, value in sorted(headers.items()))
    line = f"{request.method} {request.header('host')}{request.target}, headers: map[{told}], "
    line += f"body: [{body if len(body) <= _LONGEST else '<too-long>'}]"
    allowed = request.header(_CHECK) == _ALLOW
    sys.stdout.write(f"[HTTP][{'allowed' if allowed else 'denied'}]: {line}\n")
    sys.stdout.flush()
    answer = [(_RESULT, "allowed" if allowed else "denied")]
    answer += [(_OVERRIDE, request.header(_OVERRIDE)), ("Date", http_date())]
    answer.append((_RECEIVED, " ".join(line.split())[:_LONGEST]))
    if allowed:
        return SiteResponse(200, answer)
    kind = ("Content-Type", "text/plain; charset=utf-8")
    return SiteResponse(403, [*answer, kind], _DENIED.encode())


def _site(options: Mapping[str, str]) -> Site:
    account = options.get("account", "a")

    def serve(request: SiteRequest) -> SiteResponse:
        if request.header("content-type").startswith("application/grpc"):
            return _grpc(request, account)
        return _http(request)

    return serve


SITES: dict[str, Callable[[Mapping[str, str]], Site]] = {"ext-authz": _site}
"""How to make the site, given its options."""
