"""Envoy's jwt_authn filter: where tokens are looked for, which are verified, what it answers. Pure.

A group's failure is the most telling of its members': a token of an unknown issuer says more than
no token, and anything else says more than that.
"""

import json
from collections.abc import Iterator
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from lateen.predict.envoy import config, jws, metadata
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.http.exchange import Exchange, Local
from lateen.predict.values.trail import ISSUER, PRESENT, Test

CODES = {
    jws.UNKNOWN_ISSUER: "jwt-unknown-issuer",
    jws.EXPIRED: "jwt-expired",
    jws.NOT_YET: "jwt-expired",
    jws.AUDIENCE: "jwt-audience",
    jws.UNVERIFIED: "jwt-unverified",
    jws.NO_KEY: "jwt-unverified",
}
"""Classes by Envoy's words; any other is a token that cannot be read."""
_TAKEN = "token"
"""Of a trail: a proxy before has taken the client's token from the request."""
_MALFORMED = "jwt-malformed"
_FINE = ""
_WEAK = (jws.MISSING, jws.UNKNOWN_ISSUER)
_BEARER = "Bearer "


def authenticate(exchange: Exchange, opened: Any, own: Any | None) -> Local | None:
    """Verify the tokens of a request; answer 401 (403 for the wrong audience) where they fail."""
    request = exchange.request
    asked = request.header("origin") and request.header("access-control-request-method")
    if opened.bypass_cors_preflight and request.method == "OPTIONS" and asked:
        return None
    if own is not None or opened.HasField("filter_state_rules"):
        raise UnknownError("tokens are asked for by route")
    for rule in opened.rules:
        if not rule.match.WhichOneof("path_specifier") == "prefix" or rule.match.prefix != "/":
            raise UnknownError("tokens are asked for by path")
        run = _Run(exchange, opened)
        problem = run.requirement(rule.requires)
        if problem:
            return _refused(exchange, problem, run.blamed)
        run.take_effect()
        return None
    return None


def _refused(exchange: Exchange, problem: str, provider: str) -> Local:
    hop = exchange.hop
    sources = config.known(hop.policy_source(provider)) if provider else ()
    exchange.run.step("token", f"refused: {problem}", at=hop.name, ok=False, sources=sources)
    code = CODES.get(problem, _MALFORMED)
    exchange.run.fail(code, sources, len(exchange.run.legs) - 1)
    details = f"jwt_authn_access_denied{{{problem.replace(' ', '_')}}}"
    status = 403 if problem == jws.AUDIENCE else 401
    return Local(status, details, code=code, sources=sources)


class _Run:
    """One request against one rule."""

    def __init__(self, exchange: Exchange, opened: Any) -> None:
        self._exchange, self._providers = exchange, opened.providers
        self._verified: dict[str, jws.Token] = {}
        self.blamed = ""
        """The provider whose failure is told."""

    def requirement(self, wanted: Any) -> str:
        """Return what is wrong; empty if the requirement is met."""
        kind = wanted.WhichOneof("requires_type")
        if kind == "provider_name":
            return self._provider(wanted.provider_name)
        if kind == "requires_any":
            return self._any(wanted.requires_any.requirements)
        if kind == "requires_all":
            problems = (self.requirement(each) for each in wanted.requires_all.requirements)
            return next((problem for problem in problems if problem), _FINE)
        if kind is None:
            return _FINE
        raise UnknownError(f"tokens are asked for by {kind}")

    def _any(self, wanted: Any) -> str:
        final, missing_allowed, blamed = jws.MISSING, False, ""
        for each in wanted:
            if each.WhichOneof("requires_type") == "allow_missing":
                missing_allowed = True
                continue
            problem = self.requirement(each)
            if not problem:
                return _FINE
            if final == jws.MISSING or (final in _WEAK and problem not in _WEAK):
                final, blamed = problem, self.blamed
        if final == jws.MISSING and missing_allowed:
            return _FINE
        self.blamed = blamed
        return final

    def _provider(self, name: str) -> str:
        provider = self._providers[name]
        if self._exchange.request.trail is not None:
            return self._meant(provider, name)
        texts = [text for _, _, text in self._found(provider)]
        problem = _FINE if texts else jws.MISSING
        for text in texts:
            problem = self._token(provider, name, text)
            if problem:
                break
        if problem:
            self.blamed = name
        return problem

    def _meant(self, provider: Any, name: str) -> str:
        """Ask about the token of a class of requests: it is good but for its issuer and audience,
        and is sent where this provider looks."""
        request = self._exchange.request
        claims = dict(request.claims) if request.claims is not None else {}
        taken = request.trail is not None and _TAKEN in request.trail.fixed
        if taken or not request.noted(ISSUER, PRESENT, bool(claims)):
            self.blamed = name
            return jws.MISSING
        if provider.issuer:
            asked = Test(kind="exact", value=provider.issuer)
            if not request.noted(ISSUER, asked, claims["iss"] == provider.issuer):
                self.blamed = name
                return jws.UNKNOWN_ISSUER
        if provider.audiences and not self._for_us(list(provider.audiences), claims):
            self.blamed = name
            return jws.AUDIENCE
        self._verified[name] = jws.Token({}, claims, b"", b"")
        return _FINE

    def _for_us(self, audiences: list[str], claims: dict[str, str]) -> bool:
        request, given = self._exchange.request, claims.get("aud")
        if not request.noted("claim aud", PRESENT, given is not None):
            return False
        return any(
            request.noted("claim aud", Test(kind="exact", value=each), given == each)
            for each in audiences
        )

    def _token(self, provider: Any, name: str, text: str) -> str:
        token = jws.read(text)
        if isinstance(token, str):
            return token
        if provider.issuer and token.issuer != provider.issuer:
            return jws.UNKNOWN_ISSUER
        if problem := jws.untimely(token, self._exchange.request.now):
            return problem
        if jws.for_others(token, list(provider.audiences)):
            return jws.AUDIENCE
        if provider.WhichOneof("jwks_source_specifier") != "local_jwks":
            raise UnknownError("the proxy fetches keys itself")
        if problem := jws.unverified(token, provider.local_jwks.inline_string):
            return problem
        self._verified[name] = token
        return _FINE

    def _found(self, provider: Any) -> Iterator[tuple[str, str, str]]:
        """Yield the tokens at a provider's places: kind of place, its name, the token."""
        request = self._exchange.request
        places = [(each.name.lower(), each.value_prefix) for each in provider.from_headers]
        params = list(provider.from_params)
        if not places and not params and not provider.from_cookies:
            places, params = [("authorization", _BEARER)], ["access_token"]
        for name, prefix in places:
            value = request.header(name)
            if value is not None and prefix in value:
                yield "header", name, value.partition(prefix)[2] if prefix else value
        given = dict(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))
        yield from (("param", name, given[name]) for name in params if name in given)
        cookies = _cookies(request.header("cookie") or "")
        for name in provider.from_cookies:
            if name in cookies:
                yield "cookie", name, cookies[name]

    def take_effect(self) -> None:
        """Write down the claims that were verified, and take tokens from the request."""
        exchange = self._exchange
        payload: dict[str, Any] = {}
        for name, token in self._verified.items():
            provider = self._providers[name]
            lists = provider.normalize_payload_in_metadata.space_delimited_claims
            claims = {
                claim: value.split(" ") if claim in lists and isinstance(value, str) else value
                for claim, value in token.claims.items()
            }
            payload[provider.payload_in_metadata] = claims
            if not provider.forward:
                for kind, place, _ in self._found(provider):
                    if kind == "header":
                        exchange.request = exchange.request.without_header(place)
                if exchange.request.claims is not None:
                    exchange.request = msgspec.structs.replace(
                        exchange.request, claims=None, trail=exchange.request.setting(_TAKEN)
                    )
            sources = config.known(exchange.hop.policy_source(name))
            words = f"verified: {token.issuer}/{token.claims.get('sub', '')}"
            exchange.run.step("token", words, at=exchange.hop.name, sources=sources)
        if payload:
            exchange.request = exchange.request.with_metadata(metadata.TOKENS, json.dumps(payload))
            if any(self._providers[name].clear_route_cache for name in self._verified):
                exchange.reroute()


def _cookies(text: str) -> dict[str, str]:
    try:
        return {name: each.value for name, each in SimpleCookie(text).items()}
    except CookieError:
        return {}
