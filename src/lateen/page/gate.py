"""What may be asked at the page's address, and by whom. Pure.

Workloads of the lab answer on 127.0.0.1 as well, and any website can send a browser there. So no
cookie says who asks; the Host must be a name of this machine (a name that was rebound is not), a
write must come from the page itself, and what is not shown on the page cannot be asked for.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from lateen.apiserver.protocol import request
from lateen.base.jsonvalue import JsonView
from lateen.model.client import ApiError
from lateen.model.labapi import contract

_READ = tuple(
    endpoint.path
    for endpoint in (
        contract.STATUS,
        contract.EDGES,
        contract.TAP,
        contract.LIVE,
        contract.ANALYZE,
        contract.POSTURE,
    )
)
_ASKED = tuple(
    endpoint.path
    for endpoint in (contract.REQUEST, contract.EXPLAIN, contract.PAGE_KEY, contract.DRAFT)
)
_GROUPS = (
    "networking.istio.io",
    "security.istio.io",
    "telemetry.istio.io",
    "extensions.istio.io",
    "gateway.networking.k8s.io",
)
_KINDS = {
    "": ("namespaces", "pods", "services", "serviceaccounts"),
    "apps": ("deployments",),
    "lateen.dev": ("sourcemaps",),
}
_VIEWS = ("mesh", "request", "flows", "posture", "objects")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_LOCAL = ("127.0.0.1", "localhost", "[::1]")


class GateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came in. Header names are lower case; `upgrades` says that it asks for
    another protocol."""

    method: str
    raw_path: bytes
    raw_query: bytes = b""
    headers: Mapping[str, str] = {}
    upgrades: bool = False


def may_change(bodies: Iterable[JsonView]) -> None:
    """Raise ApiError 403 for objects that the page does not change: all but those of the mesh."""
    for body in bodies:
        group = str(body.get("apiVersion", "")).rpartition("/")[0]
        if group not in _GROUPS:
            raise _forbidden(f"a change of {body.get('kind', 'an object without a kind')}")


def host_name(text: str) -> str:
    """Return a name that Host headers may have, in lower case. Raises ApiError 400 for what is no
    whole name of a host: a port, a pattern or an address with a scheme."""
    name = text.lower()
    if not _NAME.fullmatch(name):
        raise ApiError(400, "BadRequest", f"{text[:80]!r} is no host: give a name as lab.example")
    return name


def is_view(path: str) -> bool:
    """Whether a path shows the page itself; which view, the page reads from it."""
    return path == "/" or path.split("/")[1] in _VIEWS


def check(asked: GateRequest, hosts: tuple[str, ...] = ()) -> None:
    """Raise ApiError for what is refused: 421 for another Host (`hosts` are allowed besides), 403
    for a write from elsewhere and for what the page does not show, 415 for a body that a form of
    another site could send."""
    host = asked.headers.get("host", "")
    if not _is_local(host, hosts):
        raise ApiError(421, "Misdirected", f"Host {host[:80]!r} is no name of this machine")
    site = asked.headers.get("sec-fetch-site", "")
    origin = asked.headers.get("origin", "")
    if asked.method not in ("GET", "HEAD"):
        if origin and origin.partition("://")[2] != host:
            raise ApiError(403, "Forbidden", f"Origin {origin[:80]!r} is not the page")
        if site not in ("", "same-origin"):
            raise ApiError(403, "Forbidden", f"Sec-Fetch-Site {site[:20]!r} is not the page")
        media = asked.headers.get("content-type", "").partition(";")[0].strip()
        if media != "application/json":
            raise ApiError(415, "UnsupportedMediaType", "send application/json")
    if asked.upgrades or any(name.startswith("impersonate-") for name in asked.headers):
        raise _forbidden("an upgrade, or another user")
    _check_path(asked)


def _is_local(host: str, hosts: tuple[str, ...]) -> bool:
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal():
        name = host
    name = name.lower()
    return name in _LOCAL or name.endswith(".localhost") or name in hosts


def _check_path(asked: GateRequest) -> None:
    info = request.parse(asked.method, asked.raw_path, asked.raw_query)
    reads = asked.method in ("GET", "HEAD")
    if info.query.text("secrets"):
        raise _forbidden("secrets")
    if info.path.startswith(contract.ROOT):
        if info.path not in (_READ if reads else _ASKED):
            raise _forbidden(info.path)
    elif info.is_resource:
        allowed = info.group in _GROUPS or info.resource in _KINDS.get(info.group, ())
        if info.verb not in ("get", "list") or info.subresource or not allowed:
            raise _forbidden(f"{info.verb} {info.resource}/{info.subresource}".strip("/"))
    elif not reads or not (is_view(info.path) or info.path.startswith("/s/")):
        raise _forbidden(info.path)


def _forbidden(what: str) -> ApiError:
    return ApiError(403, "Forbidden", f"the page may not ask for {what[:80]}")
