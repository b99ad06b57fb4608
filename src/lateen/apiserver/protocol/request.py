"""Method and URL to a RequestInfo: which verb on which resource, with which options. Pure."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from lateen.apiserver import errors
from lateen.apiserver.access import rbac

MAX_PATH = 8192
MAX_QUERY = 32768

_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}


_REACHING = ("exec", "attach", "portforward", "proxy")


class Query(msgspec.Struct, frozen=True):
    """The query of a request: first values in `values`, repeated ones in `every`."""

    values: Mapping[str, str] = msgspec.field(default_factory=dict)
    every: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """Return the first value of a parameter."""
        return self.values.get(name, default)

    def flag(self, name: str) -> bool:
        """Return a boolean parameter; present without a value means true. Raises ApiError 400."""
        value = self.values.get(name)
        if value is None:
            return False
        if value.lower() in ("", "1", "t", "true"):
            return True
        if value.lower() in ("0", "f", "false"):
            return False
        raise errors.bad_request(f"invalid value {value!r} for {name}: not a boolean")

    def number(self, name: str, default: int | None = None) -> int | None:
        """Return an integer parameter within 64 bits. Raises ApiError 400."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        digits = value[1:] if value[:1] in "+-" else value
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
            raise errors.bad_request(f"invalid value {value!r} for {name}: not a number")
        return int(value)


class RequestInfo(msgspec.Struct, frozen=True):
    """What a URL asks for, as Kubernetes' own RequestInfo names it.

    For a path outside /api and /apis `resource` is empty and `path` tells all. `rest` is what
    follows a proxy subresource.
    """

    verb: str
    path: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    query: Query = msgspec.field(default_factory=Query)
    raw_query: str = ""

    @property
    def api_version(self) -> str:
        """Return `apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


def parse_query(raw: bytes) -> Query:
    """Read a query string. Raises ApiError 400 when it is too long or not UTF-8."""
    if not raw:
        return Query()
    if len(raw) > MAX_QUERY:
        raise errors.bad_request(f"the query is longer than {MAX_QUERY} bytes")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200
        )
    except ValueError:
        raise errors.bad_request("the query is not valid UTF-8, or has too many fields") from None
    every: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        every[name] = (*every.get(name, ()), value)
    return Query({name: values[0] for name, values in every.items()}, every)


def _segments(raw_path: bytes) -> list[str]:
    if len(raw_path) > MAX_PATH:
        raise errors.bad_request(f"the path is longer than {MAX_PATH} bytes")
    try:
        return [unquote_to_bytes(part).decode() for part in raw_path.split(b"/") if part]
    except UnicodeDecodeError:
        raise errors.bad_request("the path is not valid UTF-8") from None


def _check(segments: list[str]) -> None:
    for segment in segments:
        if segment in (".", "..") or "/" in segment or "%" in segment or "\0" in segment:
            raise errors.bad_request(f"invalid path segment {segment[:64]!r}")


def parse(method: str, raw_path: bytes, raw_query: bytes = b"") -> RequestInfo:
    """Read a request line. Raises ApiError 400 for a malformed one, 405 for an unknown method."""
    verb = _VERBS.get(method)
    if verb is None:
        raise errors.method_not_allowed()
    segments = _segments(raw_path)
    query = parse_query(raw_query)
    raw = raw_query.decode("ascii", "replace")
    path = "/" + "/".join(segments)
    plain = RequestInfo(verb=verb, path=path, query=query, raw_query=raw)
    if len(segments) >= 3 and segments[0] == "api":
        group, version, tail = "", segments[1], segments[2:]
    elif len(segments) >= 4 and segments[0] == "apis":
        group, version, tail = segments[1], segments[2], segments[3:]
    else:
        return plain
    if tail[0] == "watch":
        tail, verb = tail[1:], "watch"
        if not tail:
            return plain
    namespace = ""
    if tail[0] == "namespaces" and len(tail) > 2 and tail[2] not in ("status", "finalize"):
        namespace, tail = tail[1], tail[2:]
    _check([*tail[:3], namespace])
    name = tail[1] if len(tail) > 1 else ""
    subresource = tail[2] if len(tail) > 2 else ""
    if len(tail) > 3 and subresource != "proxy":
        raise errors.unknown_path()
    rest = _rest(raw_path, len(segments) - len(tail) + 3) if subresource == "proxy" else ""
    return RequestInfo(
        verb=_final_verb(verb, name, query),
        path=path,
        is_resource=True,
        group=group,
        version=version,
        resource=tail[0],
        namespace=namespace,
        name=name,
        subresource=subresource,
        rest=rest,
        query=query,
        raw_query=raw,
    )


def _rest(raw_path: bytes, skip: int) -> str:
    """Return what follows so many segments, as it was encoded: a proxy passes it on."""
    position = 0
    for _ in range(skip):
        while raw_path[position : position + 1] == b"/":
            position += 1
        slash = raw_path.find(b"/", position)
        if slash < 0:
            return "/"
        position = slash
    return raw_path[position:].decode("ascii", "replace") or "/"


def _final_verb(verb: str, name: str, query: Query) -> str:
    if verb == "watch":
        return "watch"
    if verb == "get" and query.flag("watch"):
        return "watch"
    if name:
        return verb
    return {"get": "list", "delete": "deletecollection"}.get(verb, verb)


def asked_of(info: RequestInfo) -> rbac.AccessQuestion:
    """Return what a request about a resource needs.

    Reaching into a pod is no reading, though some clients open it by a GET. A list that is asked
    for one name needs the right to that name only, as in Kubernetes.
    """
    verb = "create" if info.subresource in _REACHING and info.verb == "get" else info.verb
    name = info.name
    if not name and verb in ("list", "watch", "deletecollection"):
        name = _one_name(info.query.text("fieldSelector"))
    return rbac.AccessQuestion(
        verb=verb,
        group=info.group,
        resource=info.resource,
        subresource=info.subresource,
        namespace=info.namespace,
        name=name,
    )


def _one_name(selector: str) -> str:
    for part in selector.split(","):
        key, equals, value = part.partition("=")
        if key == "metadata.name" and equals:
            return value.lstrip("=")
    return ""
