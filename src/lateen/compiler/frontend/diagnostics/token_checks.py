"""What is noticed in a RequestAuthentication: keys that are not there or that Envoy cannot use, and
what attaches to nothing. Pure."""

from collections.abc import Callable, Iterator

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph.collections import FetchedKeys
from lateen.compiler.frontend.security import keysets, targeting
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.istio import security
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source


def findings(
    policy: security.RequestAuthentication,
    settings: MeshSettings,
    fetched: Callable[[str], FetchedKeys],
) -> Iterator[Diagnostic]:
    """Yield the findings of one policy."""
    features = settings.features
    source = precedence.source("RequestAuthentication", policy, "spec")
    field = targeting.targets(policy.spec, features)
    if field:
        yield make("LTN0037", source.at(field), field=field)
        return
    for index, rule in enumerate(policy.spec.jwt_rules):
        at = source.at(f"jwtRules[{index}]")
        yield from _keys(
            rule, at, keysets.address(rule, trim=features.jwt_issuer_trims_slash), fetched
        )
        for known, since, name, value in (
            (features.jwt_cookies, "1.21", "fromCookies", rule.from_cookies),
            (
                features.jwt_claim_lists,
                "1.28",
                "spaceDelimitedClaims",
                rule.space_delimited_claims,
            ),
        ):
            if value and not known:
                version = features.version
                yield make("LTN0012", at.at(name), field=name, since=since, version=version)


def _keys(
    rule: security.JWTRule, at: Source, address: str, fetched: Callable[[str], FetchedKeys]
) -> Iterator[Diagnostic]:
    field = at.at("jwks") if rule.jwks else at.at("jwksUri" if rule.jwks_uri else "issuer")
    issuer = rule.issuer or "any issuer"
    text = rule.jwks
    if address:
        found = fetched(address)
        text = found.text
        if not text:
            why = found.problem or "not asked for yet"
            yield make("LTN0190", field, address=address, why=why, issuer=issuer)
            return
        if found.problem:
            yield make("LTN0192", field, address=address, why=found.problem)
    if not text:
        why = "the rule has no keys, and its issuer is no URL that could be asked for them"
        yield make("LTN0191", field, why=why, issuer=issuer)
    elif problem := keysets.usable(text).problem:
        yield make("LTN0191", field, why=problem, issuer=issuer)
