"""Failures that external authorizers bring about."""

from tests.e2e.failure_case import FROM_CLIENT, SIDECARS, Case
from tests.e2e.failure_policies import access


def _asked(provider: str) -> str:
    return access(
        f"to: [{{operation: {{paths: [/]}}}}]\n  provider: {{name: {provider}}}", "CUSTOM"
    )


CASES = (
    Case(
        "an external authorizer refuses",
        "ext-authz-denied",
        "http://server/",
        _asked("checker"),
        FROM_CLIENT,
        SIDECARS,
        "ext_authz_denied",
        foretold=False,
    ),
    Case(
        "an external authorizer cannot be reached",
        "ext-authz-unreachable",
        "http://server/",
        _asked("nobody"),
        FROM_CLIENT,
        SIDECARS,
        "ext_authz_error",
    ),
)
