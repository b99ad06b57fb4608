"""One HTTP exchange as values: the call as it came in, the response as it goes out. Pure."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from lateen.apiserver import errors
from lateen.apiserver.access import auth
from lateen.apiserver.kinds import versions
from lateen.apiserver.protocol import negotiate, protobuf, request
from lateen.model.client import ApiError

MAX_BODY = 3 * 1024 * 1024
"""Bytes of a request body, as Kubernetes has it."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request with its body read. Header names are lower case."""

    method: str
    info: request.RequestInfo
    user: auth.User
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""

    @property
    def form(self) -> negotiate.Form:
        """Return the form to answer in. Raises ApiError 406."""
        return negotiate.accept(self.headers.get("accept", ""))

    def json(self) -> Any:
        """Return the decoded body. Raises ApiError 400, 415."""
        media = negotiate.content_type(self.headers.get("content-type", ""), patch=False)
        return parse_body(self.body, media)


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: `body`, or `chunks` that are sent as they come."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    chunks: AsyncIterator[bytes] | None = None
    unread_seconds: float | None = None
    """How long a client of `chunks` may go without reading; None: as long as it likes."""


def parse_body(body: bytes, media: str) -> Any:
    """Decode a body within the limits of depth; YAML aliases are refused (they can explode).

    Raises ApiError 400.
    """
    if not body:
        raise errors.bad_request("the request has no body")
    try:
        value = _decode(body, media)
    except RecursionError:
        raise errors.bad_request("the body nests too deep") from None
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise errors.bad_request(f"couldn't decode the body: {str(error)[:300]}") from None
    if versions.too_deep(value):
        raise errors.bad_request(f"the body nests deeper than {versions.MAX_DEPTH} levels")
    return value


def _decode(body: bytes, media: str) -> Any:
    if media == negotiate.PROTOBUF:
        return protobuf.decode(body)
    if "yaml" not in media:
        return msgspec.json.decode(body)
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        pass
    return _yaml(body)


def _yaml(body: bytes) -> Any:
    import yaml  # 8 ms, and clients that write YAML are rare

    try:
        scanned = yaml.scan(body, Loader=yaml.CSafeLoader)
        if any(isinstance(token, yaml.AliasToken) for token in scanned):
            raise ValueError("YAML aliases are not accepted")
        return msgspec.to_builtins(yaml.load(body, Loader=yaml.CSafeLoader), str_keys=True)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def warning_headers(warnings: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return Warning headers: printable, quoted, no more than 4 KiB in all."""
    found: list[tuple[str, str]] = []
    size = 0
    for text in dict.fromkeys(warnings):
        plain = "".join(c if 32 <= ord(c) < 127 else "?" for c in text)[:1024]
        escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
        size += len(escaped)
        if size > 4096:
            break
        found.append(("Warning", f'299 - "{escaped}"'))
    return tuple(found)


def refusal(error: ApiError) -> Response:
    """Return the response of an error."""
    headers: tuple[tuple[str, str], ...] = ()
    if error.code == 401:
        headers = (("WWW-Authenticate", 'Bearer realm="lateen"'),)
    if seconds := error.details.get("retryAfterSeconds"):
        headers = (("Retry-After", str(seconds)),)
    if isinstance(error, errors.DeniedError):
        headers += warning_headers(error.warnings)
    status = errors.status(error)
    return Response(status=error.code, body=msgspec.json.encode(status) + b"\n", headers=headers)
