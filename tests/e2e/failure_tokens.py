"""Failures that tokens bring about."""

from tests.e2e import tokens
from tests.e2e.failure_case import FROM_CLIENT, NO_RULE, SIDECARS, Case
from tests.e2e.failure_policies import access

CASES = (
    Case(
        "a rule asks for a token, and the request has none",
        "rbac-no-token",
        "http://server/",
        access('from: [{source: {requestPrincipals: ["*"]}}]') + tokens.policy(),
        FROM_CLIENT,
        SIDECARS,
        NO_RULE,
    ),
    *(
        Case(
            title,
            code,
            "http://server/",
            tokens.policy(),
            (*FROM_CLIENT, *tokens.header(text)),
            SIDECARS,
            f"jwt_authn_access_denied{{{details}}}",
        )
        for title, code, text, details in (
            ("a token has ended", "jwt-expired", tokens.made(exp=1), "Jwt_is_expired"),
            (
                "a token is of an issuer that nobody named",
                "jwt-unknown-issuer",
                tokens.made(iss="other"),
                "Jwt_issuer_is_not_configured",
            ),
            (
                "a token is meant for others",
                "jwt-audience",
                tokens.made(aud="other"),
                "Audiences_in_Jwt_are_not_allowed",
            ),
            (
                "a token's signature is not its issuer's",
                "jwt-unverified",
                tokens.made()[:-8] + "AAAAAAAA",
                "Jwt_verification_fails",
            ),
            (
                "what is sent as a token is none",
                "jwt-malformed",
                "token",
                "Jwt_is_not_in_the_form_of_Header.Payload.Signature_with_two_dots_and_3_sections",
            ),
        )
    ),
)
