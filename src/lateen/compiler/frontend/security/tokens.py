"""RequestAuthentication: which apply to a workload, and whose tokens it then takes. Pure.

All that apply count together, as on Istio: no age and no scope decides between them.
"""

from collections.abc import Callable, Iterable

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.security import keysets
from lateen.compiler.ir.jwt import Authentication, TokenProvider
from lateen.compiler.ir.proxy import Features
from lateen.model.istio import security

_LISTS = ("permission", "scope")
"""Claims that are lists of words whoever issues them."""

Policy = security.RequestAuthentication
Fetched = Callable[[str], str]
"""Returns the key set that was fetched from an address; empty if none was yet."""


def providers(policy: Policy, features: Features, fetched: Fetched) -> tuple[TokenProvider, ...]:
    """Return the token providers of one policy."""
    source = precedence.source("RequestAuthentication", policy, "spec")
    made = []
    for index, rule in enumerate(policy.spec.jwt_rules):
        at = keysets.address(rule, trim=features.jwt_issuer_trims_slash)
        text = fetched(at) if at else rule.jwks
        lists = rule.space_delimited_claims if features.jwt_claim_lists else ()
        made.append(
            TokenProvider(
                source=source.at(f"jwtRules[{index}]"),
                issuer=rule.issuer,
                audiences=rule.audiences,
                keys=keysets.usable(text).text if text else keysets.stand_in(),
                headers=tuple((h.name, h.prefix) for h in rule.from_headers),
                params=rule.from_params,
                cookies=rule.from_cookies if features.jwt_cookies else (),
                forward=rule.forward_original_token,
                payload_header=rule.output_payload_to_header,
                claim_headers=tuple((c.header, c.claim) for c in rule.output_claim_to_headers),
                lists=tuple(sorted({*_LISTS, *lists})),
            )
        )
    return tuple(made)


def join(found: Iterable[tuple[TokenProvider, ...]]) -> Authentication | None:
    """Return the providers of all policies that apply, by issuer; None without any rule."""
    every = [provider for each in found for provider in each]
    every.sort(key=lambda provider: provider.issuer)
    return Authentication(providers=tuple(every)) if every else None
