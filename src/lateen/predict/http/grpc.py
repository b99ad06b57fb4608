"""How gRPC requests are answered by a proxy: HTTP 200, with the failure as a gRPC status. Pure."""

from collections.abc import Mapping

from lateen.predict.values.request import Http

_TYPE = "application/grpc"
_OF_HTTP: Mapping[int, str] = {
    400: "internal",
    401: "unauthenticated",
    403: "permission-denied",
    404: "unimplemented",
    429: "unavailable",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}
"""Envoy's gRPC status for an HTTP status; `unknown` for all others."""
OK = 200


def asks(request: Http) -> bool:
    """Tell whether Envoy takes a request for gRPC: by its content type alone."""
    kind = request.header("content-type") or ""
    return kind == _TYPE or kind.startswith(f"{_TYPE}+")


def answer(request: Http, status: int) -> tuple[int, str]:
    """Return the HTTP status of a proxy's own answer, and its gRPC status (empty if it has none)
    in the words of retry policies."""
    if not asks(request):
        return status, ""
    return OK, _OF_HTTP.get(status, "unknown")
