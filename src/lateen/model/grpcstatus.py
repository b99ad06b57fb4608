"""gRPC's status codes: what a fault may abort with, and whose fault one is. Pure."""

CODES = {
    name: number
    for number, name in enumerate(
        (
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        )
    )
}

_OF_SERVERS = frozenset(
    str(CODES[name])
    for name in (
        "UNKNOWN",
        "DEADLINE_EXCEEDED",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
    )
)


def blames_server(status: str) -> bool:
    """Whether a `grpc-status` says what HTTP says by 500 and above. As Envoy compares them, where
    it counts failures for outlier detection; a number that gRPC does not know is one."""
    return status in _OF_SERVERS or (bool(status) and status not in _KNOWN)


_KNOWN = frozenset(str(number) for number in CODES.values())
