"""External authorization: whether an authorizer can be asked, and what it may say. Pure.

What it says is a program's own affair. Both answers are followed, unless it cannot be reached.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.model.meta import Source
from lateen.predict.connection import upstream
from lateen.predict.connection.choices import Option
from lateen.predict.connection.hop import Hop
from lateen.predict.connection.run import Run
from lateen.predict.envoy import config, metadata

DENIED, UNREACHABLE = "ext-authz-denied", "ext-authz-unreachable"


class AuthorizerAnswer(msgspec.Struct, frozen=True):
    """What came of asking: `ok`, or the class of the failure and the fields that decided."""

    code: str = "ok"
    sources: tuple[Source, ...] = ()


def ask(run: Run, hop: Hop, opened: Any, noted: Mapping[str, Any]) -> AuthorizerAnswer:
    """Return what a filter of external authorization does with a request or a connection. `noted`
    is what the rules before it found (rbac.noted)."""
    if opened.HasField("filter_enabled_metadata") and not metadata.fits(
        opened.filter_enabled_metadata, noted
    ):
        return AuthorizerAnswer()
    rule = next(iter(noted.values()), "")
    sources = config.known(hop.policy_source(str(rule))) or hop.policy_sources()
    name, who = _cluster(opened)
    cluster = hop.proxy.cluster(name)
    if cluster is None or not upstream.reachable(run, hop, cluster):
        where = "is not known to this proxy" if cluster is None else "has no endpoint"
        words = f"{who} cannot be asked: it {where}"
        if opened.failure_mode_allow:
            run.step("authorization", f"{words}; it fails open", at=hop.name, sources=sources)
            return AuthorizerAnswer()
        run.step("authorization", words, at=hop.name, ok=False, sources=sources)
        run.fail(UNREACHABLE, sources, len(run.legs) - 1)
        return AuthorizerAnswer(UNREACHABLE, sources)
    options = (Option(f"{who} allows it"), Option(f"{who} refuses it"))
    refused = run.fact(f"authorizer {name}", options) == 1
    run.step("authorization", options[refused].text, at=hop.name, ok=not refused, sources=sources)
    if not refused:
        return AuthorizerAnswer()
    run.fail(DENIED, sources, len(run.legs) - 1)
    return AuthorizerAnswer(DENIED, sources)


def _cluster(opened: Any) -> tuple[str, str]:
    """Return the cluster where the authorizer is asked, and who it is."""
    over_http = getattr(opened, "http_service", None)
    if over_http is not None and opened.WhichOneof("services") == "http_service":
        uri = over_http.server_uri
        return uri.cluster, uri.uri.partition("://")[2]
    asked = opened.grpc_service.envoy_grpc
    return asked.cluster_name, asked.authority or asked.cluster_name
