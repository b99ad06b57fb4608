"""What is tried again (RetryPolicy, RetryState). Pure."""

from collections.abc import Container, Mapping
from typing import Any

import msgspec

_RESPONSES: Mapping[str, Container[int]] = {
    "5xx": range(500, 600),
    "gateway-error": (502, 503, 504),
    "retriable-4xx": (409,),
}


class Policy(msgspec.Struct, frozen=True):
    """On what, how often (beside the first attempt), and which statuses count."""

    on: frozenset[str] = frozenset()
    times: int = 0
    statuses: frozenset[int] = frozenset()
    seconds: float = 0.0
    """What one attempt may take; 0 is no limit."""


NEVER = Policy()


def policy_of(action: Any) -> Policy:
    """Return the policy of a route's action. Without a number of retries it is one."""
    if not action.HasField("retry_policy"):
        return NEVER
    found = action.retry_policy
    times = found.num_retries.value if found.HasField("num_retries") else 1
    words = frozenset(word.strip() for word in found.retry_on.split(",") if word.strip())
    seconds = found.per_try_timeout.ToTimedelta().total_seconds()
    return Policy(words, times, frozenset(found.retriable_status_codes), seconds)


def again_after_status(policy: Policy, status: int, grpc: str = "") -> bool:
    """Tell whether a response of the upstream is tried again."""
    if "retriable-status-codes" in policy.on and status in policy.statuses:
        return True
    if grpc and grpc in policy.on:
        return True
    return any(status in counted for word, counted in _RESPONSES.items() if word in policy.on)


def again_after_reset(policy: Policy, *, connected: bool) -> bool:
    """Tell whether the end of a connection is tried again. `connected` says that the request had
    been sent by then; else the connection was never made."""
    if {"reset", "5xx", "gateway-error"} & policy.on:
        return True
    if connected:
        return False
    return bool({"connect-failure", "reset-before-request"} & policy.on)
