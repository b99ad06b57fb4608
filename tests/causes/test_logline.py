"""A line of a proxy's log, read."""

import pytest

from lateen.causes import logline

DENIED = "rbac_access_denied_matched_policy"
LINE = (
    '[2026-11-29T00:05:25.690Z] "GET /x HTTP/1.1" {status} {flags} {details} - "{failure}" '
    '0 95 2 - "10.244.0.1" "curl/8.0" "3e8b0f09" "shop" "10.244.0.2:443" outbound|8443|mtls|x - '
    "10.244.0.4:8080 10.244.0.1:57798 - https-mTLS"
)


@pytest.mark.parametrize(
    ("status", "flags", "details", "failure", "codes"),
    [
        (200, "-", "via_upstream", "-", []),
        (404, "-", "via_upstream", "-", ["application-status", "direct-response"]),
        (404, "NR", "route_not_found", "-", ["no-route"]),
        (503, "NC", "cluster_not_found", "-", ["no-such-destination"]),
        (503, "UH", "no_healthy_upstream", "-", ["no-healthy-endpoints"]),
        (
            503,
            "URX,UF",
            "upstream_reset_before_response_started{remote_connection_failure|TLS_error}",
            "TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end",
            ["tls-to-plaintext"],
        ),
        (
            403,
            "-",
            "rbac_access_denied_matched_policy[none]",
            "-",
            ["rbac-not-allowed", "rbac-no-identity", "rbac-no-token"],
        ),
        (
            403,
            "-",
            "rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]]",
            "-",
            ["rbac-denied"],
        ),
        (401, "-", "jwt_authn_access_denied{Jwt_is_expired}", "-", ["jwt-expired"]),
        (426, "DPE", "low_version", "-", ["http-1.0"]),
        (504, "UT", "response_timeout", "-", ["upstream-timeout"]),
    ],
)
def test_istio_s_own_format(
    status: int, flags: str, details: str, failure: str, codes: list[str]
) -> None:
    found = logline.read(LINE.format(status=status, flags=flags, details=details, failure=failure))
    assert [cause.code for cause in found.causes] == codes
    assert found.status == status


def test_what_looks_alike_is_said_to() -> None:
    found = logline.read("503 UC upstream_reset_before_response_started{connection_termination}")
    codes = [cause.code for cause in found.causes]
    assert codes[:2] == ["plaintext-to-strict", "no-mesh-certificate"]
    assert codes[-1] == "connection-terminated"


def test_a_server_s_reason() -> None:
    found = logline.read("PEER_DID_NOT_RETURN_A_CERTIFICATE")
    assert [cause.code for cause in found.causes] == ["no-mesh-certificate"]
