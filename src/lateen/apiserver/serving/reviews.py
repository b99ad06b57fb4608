"""The reviews: who am I, may I, what may I, whose token is this.

They are answered by what is enforced: the same `Authorizer` lets requests through.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.apiserver import errors
from lateen.apiserver.access import auth, authorizing
from lateen.apiserver.access.rbac import AccessQuestion
from lateen.apiserver.openapi import discovery
from lateen.apiserver.protocol import exchange, negotiate
from lateen.apiserver.protocol.request import RequestInfo
from lateen.apiserver.reading import rendering
from lateen.base.jsonvalue import Json
from lateen.model.schema.kindinfo import KindInfo


class Deciding(msgspec.Struct, frozen=True):
    """What reviews are answered by."""

    authorizer: authorizing.Authorizer
    authenticator: auth.Authenticator


def find(info: RequestInfo) -> discovery.Virtual | None:
    """Return what a URL names that is not stored. Raises ApiError 405 for a verb it has not."""
    for virtual in discovery.VIRTUAL:
        if (virtual.group, virtual.version, virtual.plural) == (
            info.group,
            info.version,
            info.resource,
        ):
            if info.verb not in virtual.verbs or (info.verb == "create" and info.name):
                raise errors.method_not_allowed()
            return virtual
    return None


def row(virtual: discovery.Virtual) -> KindInfo:
    """Return what messages say of a resource that is not stored."""
    return KindInfo(
        group=virtual.group,
        versions=(virtual.version,),
        kind=virtual.kind,
        plural=virtual.plural,
        singular=virtual.kind.lower(),
        namespaced=virtual.namespaced,
    )


def answer(
    call: exchange.Call, virtual: discovery.Virtual, deciding: Deciding
) -> exchange.Response:
    """Answer a review. Raises ApiError 400."""
    body = call.json()
    if not isinstance(body, dict):
        raise errors.bad_request("the body of a review must be a JSON object")
    spec = body.get("spec") or {}
    if not isinstance(spec, dict):
        raise errors.bad_request("spec must be an object")
    metadata = body.get("metadata")
    review: Json = {
        "kind": virtual.kind,
        "apiVersion": f"{virtual.group}/{virtual.version}",
        "metadata": metadata if isinstance(metadata, dict) else {},
    }
    if virtual.kind != "SelfSubjectReview":
        review["spec"] = spec
    if virtual.kind == "LocalSubjectAccessReview":
        _same_namespace(spec, call.info.namespace)
    review["status"] = _status(call.user, virtual.kind, spec, deciding)
    return exchange.Response(status=201, body=rendering.body(review, negotiate.Form()))


def _same_namespace(spec: Mapping[str, Any], namespace: str) -> None:
    asked = spec.get("resourceAttributes")
    if isinstance(asked, dict) and asked.get("namespace") != namespace:
        raise errors.bad_request(
            "spec.resourceAttributes.namespace must be the namespace of the request"
        )


def _status(user: auth.User, kind: str, spec: Mapping[str, Any], deciding: Deciding) -> Json:
    if kind == "SelfSubjectReview":
        return {"userInfo": user.as_json()}
    if kind == "TokenReview":
        return _token(spec, deciding.authenticator)
    if kind == "SelfSubjectRulesReview":
        return _rules(user, str(spec.get("namespace") or ""), deciding.authorizer)
    subject = user if kind == "SelfSubjectAccessReview" else _subject(spec)
    return _access(subject, spec, deciding.authorizer)


def _subject(spec: Mapping[str, Any]) -> auth.User:
    groups = spec.get("groups")
    names = tuple(str(one) for one in groups) if isinstance(groups, list) else ()
    return auth.User(str(spec.get("user") or ""), names)


def _token(spec: Mapping[str, Any], authenticator: auth.Authenticator) -> Json:
    """Tell whose token it is, and for which of the audiences asked about; without any, for the
    API server."""
    audiences = spec.get("audiences") or [auth.ISSUER]
    if not isinstance(audiences, list):
        raise errors.bad_request("spec.audiences must be a list of strings")
    token, found, matched = str(spec.get("token") or ""), None, []
    for one in map(str, audiences):
        user = authenticator.authenticate(token, "" if one == auth.ISSUER else one)
        if user is not None:
            found = user
            matched.append(one)
    if found is None:
        return {"authenticated": False, "user": {}, "error": "[invalid bearer token]"}
    return {"authenticated": True, "user": found.as_json(), "audiences": matched}


def _access(user: auth.User, spec: Mapping[str, Any], authorizer: authorizing.Authorizer) -> Json:
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    for given in (about, path):
        if given is not None and not isinstance(given, dict):
            raise errors.bad_request("resourceAttributes must be an object")
    decision = authorizer.decide(user, _asked(about or {}, path or {}))
    return {"allowed": decision.allowed} | ({"reason": decision.reason} if decision.reason else {})


def _asked(about: Mapping[str, Any], path: Mapping[str, Any]) -> AccessQuestion:
    if path and not about:
        return AccessQuestion(verb=str(path.get("verb") or ""), path=str(path.get("path") or ""))
    resource, _, sub = str(about.get("resource") or "").partition("/")
    return AccessQuestion(
        verb=str(about.get("verb") or ""),
        group=str(about.get("group") or ""),
        resource=resource,
        subresource=str(about.get("subresource") or sub),
        namespace=str(about.get("namespace") or ""),
        name=str(about.get("name") or ""),
    )


def _rules(user: auth.User, namespace: str, authorizer: authorizing.Authorizer) -> Json:
    """What a user may do in a namespace, as a list of rules."""
    found = authorizer.rules(user, namespace)
    return {
        "resourceRules": [one.as_json() for one in found if not one.paths],
        "nonResourceRules": [one.as_json() for one in found if one.paths],
        "incomplete": False,
    }
