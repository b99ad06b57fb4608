"""What is not a resource: discovery, OpenAPI, version, health, metrics."""

import hashlib
import platform
from collections.abc import Callable

from lateen.apiserver import errors
from lateen.apiserver.access import auth
from lateen.apiserver.kinds.resources import Kind
from lateen.apiserver.openapi import discovery, v2, v3, wire
from lateen.apiserver.protocol import exchange, negotiate
from lateen.apiserver.reading import rendering
from lateen.apiserver.serving import metrics
from lateen.apiserver.writing import verbs
from lateen.base.jsonvalue import Json

KUBERNETES = ("1", "36", "v1.36.0")
"""Which Kubernetes this API speaks as: clients choose their behaviour by it."""


class Paths:
    """Answers every path outside the resources."""

    def __init__(
        self,
        api: verbs.Api,
        health: Callable[[], dict[str, str]],
        address: str,
        counts: metrics.Counts,
        issuer: auth.TokenIssuer | None,
    ) -> None:
        self._api = api
        self._health = health
        self._address = address
        self._counts = counts
        self._issuer = issuer
        self._documents = v3.Documents()
        self._packed: tuple[tuple[Kind, ...], bytes] | None = None
        """OpenAPI v2 in protobuf's form, and the kinds that it tells of."""

    def answer(self, call: exchange.Call) -> exchange.Response:
        """Answer a GET. Raises ApiError 404, 405."""
        if call.info.verb != "get":
            raise errors.method_not_allowed()
        path = call.info.path
        parts = path.strip("/").split("/")
        if parts[0] in ("healthz", "livez", "readyz"):
            return self._healthy(parts, verbose="verbose" in call.info.query.values)
        if parts[0] in ("api", "apis"):
            return self._discovery(call, parts)
        if parts[0] == "openapi":
            return self._openapi(call, parts)
        if self._issuer is not None and path == "/openid/v1/jwks":
            return _json(self._issuer.jwks())
        if self._issuer is not None and path == "/.well-known/openid-configuration":
            return _json(_discovery_of_issuer(f"https://{call.headers.get('host', '')}"))
        if path == "/version":
            return _json(version())
        if path == "/metrics":
            text = self._counts.exposition(self._api.store.revision)
            return exchange.Response(body=text.encode(), content_type="text/plain; version=0.0.4")
        if path == "/":
            return _json({"paths": self._known()})
        raise errors.unknown_path()

    def _known(self) -> list[str]:
        found = ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2"]
        for name, versions in discovery.group_versions(self._api.resources).items():
            if name:
                found += [f"/apis/{name}", *(f"/apis/{name}/{one}" for one in versions)]
        return [*found, "/openapi/v3", "/readyz", "/version"]

    def _healthy(self, parts: list[str], *, verbose: bool) -> exchange.Response:
        failing = self._health()
        if len(parts) > 1:
            failing = {k: v for k, v in failing.items() if k == parts[1]}
        lines = [f"[-]{name} failed: {why}" for name, why in sorted(failing.items())]
        if failing:
            text = "\n".join([*lines, f"{parts[0]} check failed"])
            return exchange.Response(status=500, body=text.encode(), content_type="text/plain")
        text = f"[+]ping ok\n{parts[0]} check passed\n" if verbose else "ok"
        return exchange.Response(body=text.encode(), content_type="text/plain; charset=utf-8")

    def _discovery(self, call: exchange.Call, parts: list[str]) -> exchange.Response:
        form = call.form
        core = parts[0] == "api"
        if len(parts) == 1:
            if form.as_kind == "APIGroupDiscoveryList":
                made = discovery.aggregated(self._api.resources, form.as_version, core=core)
                return _tagged(call, made, form)
            listed = (
                discovery.api_versions(self._address)
                if core
                else discovery.group_list(self._api.resources)
            )
            return _json(listed, form)
        known = discovery.group_versions(self._api.resources)
        group = "" if core else parts[1]
        rest = parts[1:] if core else parts[2:]
        if group not in known or (group == "" and not core):
            raise errors.unknown_path()
        if not rest:
            return _json(discovery.group(group, known[group], alone=True), form)
        if len(rest) == 1 and rest[0] in known[group]:
            return _json(discovery.resource_list(self._api.resources, group, rest[0]), form)
        raise errors.unknown_path()

    def _openapi(self, call: exchange.Call, parts: list[str]) -> exchange.Response:
        if parts[1:] == ["v2"]:
            return self._swagger(call)
        form = call.form
        if parts[1:] == ["v3"]:
            return _json(self._documents.index(self._api.resources), form)
        if parts[1:2] == ["v3"]:
            document = self._documents.document(self._api.resources, "/".join(parts[2:]))
            return _tagged(call, document, form)
        raise errors.unknown_path()

    def _swagger(self, call: exchange.Call) -> exchange.Response:
        if not negotiate.prefers(call.headers.get("accept", ""), wire.ASKED):
            return _tagged(call, v2.document(self._api.resources), call.form)
        kinds, held = tuple(self._api.resources), self._packed
        if held is None or [*map(id, held[0])] != [*map(id, kinds)]:
            held = self._packed = (kinds, wire.encode(v2.document(kinds)))
        return _with_tag(call, held[1], wire.MEDIA)


def _discovery_of_issuer(server: str) -> Json:
    """/.well-known/openid-configuration: how others verify ServiceAccount tokens."""
    return {
        "issuer": auth.ISSUER,
        "jwks_uri": f"{server}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }


def version() -> Json:
    """/version"""
    major, minor, full = KUBERNETES
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{full}+lateen",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "python",
        "platform": f"linux/{machine}",
    }


def _json(value: Json, form: negotiate.Form | None = None) -> exchange.Response:
    form = form or negotiate.Form()
    return exchange.Response(body=rendering.body(value, form), content_type=form.content_type)


def _tagged(call: exchange.Call, value: Json, form: negotiate.Form) -> exchange.Response:
    """Answer with an ETag; 304 when the client holds the same."""
    return _with_tag(call, rendering.body(value, form), form.content_type)


def _with_tag(call: exchange.Call, made: bytes, media: str) -> exchange.Response:
    tag = '"' + hashlib.sha256(made).hexdigest()[:32].upper() + '"'
    if call.headers.get("if-none-match") == tag:
        return exchange.Response(
            status=304,
            content_type=media,
            headers=(("ETag", tag), ("Vary", "Accept")),
        )
    return exchange.Response(
        body=made, content_type=media, headers=(("ETag", tag), ("Vary", "Accept"))
    )
