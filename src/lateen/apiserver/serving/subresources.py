"""Scale, finalize, binding, eviction and token: the subresources that have rules of their own."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lateen.apiserver import errors
from lateen.apiserver.access import auth
from lateen.apiserver.fieldcauses import Cause
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.openapi import discovery
from lateen.apiserver.protocol import exchange, negotiate
from lateen.apiserver.reading import rendering
from lateen.apiserver.writing import objects, patching, verbs
from lateen.base import clock
from lateen.base.jsonvalue import Json

TOKEN_SECONDS = (600, 24 * 3600, 3600)
"""Least, most and usual lifetime of a requested token."""


def exists(target: Target) -> bool:
    """Tell whether the kind has the target's subresource."""
    if not target.subresource:
        return True
    offered = discovery.subresources(target.kind, target.version)
    return any(sub.name == target.subresource for sub in offered)


# -- scale -------------------------------------------------------------------------------------


def get_scale(api: verbs.Api, target: Target) -> Json:
    """Return the Scale of an object."""
    return _scale(target, api.get(target))


def _scale(target: Target, obj: Mapping[str, Any]) -> Json:
    scale = target.scale_paths
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    answer: Json = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": _at(obj, scale.spec) or 0},
        "status": {"replicas": _at(obj, scale.status) or 0},
    }
    selector = _at(obj, scale.selector) if scale.selector else _selector(spec, status)
    if selector:
        answer["status"]["selector"] = selector
    return answer


def _selector(spec: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    chosen = spec.get("selector")
    if not isinstance(chosen, dict):
        return str(status.get("selector") or "")
    labels = chosen.get("matchLabels", chosen)
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _at(obj: Any, path: str) -> Any:
    for step in path.split("."):
        obj = obj.get(step) if isinstance(obj, Mapping) else None
    return obj


def put_scale(api: verbs.Api, target: Target, body: Any, options: verbs.WriteOptions) -> Json:
    """Set spec.replicas of the object a Scale speaks of. Raises ApiError 400, 409, 422."""
    if not isinstance(body, dict) or body.get("kind") not in (None, "Scale"):
        raise errors.bad_request("the body must be a Scale object")
    spec, meta = body.get("spec") or {}, body.get("metadata") or {}
    if not isinstance(spec, dict) or not isinstance(meta, dict):
        raise errors.bad_request("spec and metadata of a Scale must be objects")
    replicas = spec.get("replicas", 0)
    if type(replicas) is not int or not 0 <= replicas <= 10_000:
        why = "must be a number from 0 to 10000"
        cause = Cause(
            "FieldValueInvalid", f"Invalid value: {str(replicas)[:40]}: {why}", "spec.replicas"
        )
        raise errors.invalid(target.info, target.name, [cause])
    version = meta.get("resourceVersion")

    def edit(obj: Json) -> Json:
        changed = _with(obj, target.scale_paths.spec.split("."), replicas)
        if version:
            changed["metadata"] = {**changed["metadata"], "resourceVersion": version}
        return changed

    whole = Target(target.kind, target.version, target.namespace, target.name)
    return _scale(target, api.change(whole, edit, options).object)


def _with(obj: Mapping[str, Any], path: list[str], value: Any) -> Json:
    if len(path) == 1:
        return {**obj, path[0]: value}
    inner = obj.get(path[0])
    return {**obj, path[0]: _with(inner if isinstance(inner, dict) else {}, path[1:], value)}


def patch_scale(
    api: verbs.Api, target: Target, patch: Any, media: str, options: verbs.WriteOptions
) -> Json:
    """Patch the Scale of an object (any form but apply)."""
    if media in patching.APPLY:
        raise errors.unsupported_media("application/merge-patch+json, application/json-patch+json")
    if media == "application/strategic-merge-patch+json":
        media = "application/merge-patch+json"
    changed = patching.patched(target, get_scale(api, target), patch, media)
    return put_scale(api, target, changed, options)


# -- namespaces/finalize -----------------------------------------------------------------------


def finalize(
    api: verbs.Api, target: Target, body: Any, options: verbs.WriteOptions
) -> verbs.Written:
    """Take only a Namespace's spec.finalizers; the last one gone, the namespace goes."""
    spec = body.get("spec") if isinstance(body, dict) else None
    wanted = spec.get("finalizers") if isinstance(spec, dict) else None
    wanted = [] if wanted is None else wanted
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise errors.bad_request("spec.finalizers must be a list of strings")

    def edit(obj: Json) -> Json:
        kept = {k: v for k, v in (obj.get("spec") or {}).items() if k != "finalizers"}
        return {**obj, "spec": {**kept, "finalizers": wanted} if wanted else kept}

    return api.rewrite(target, edit, options)


# -- created through a subresource -------------------------------------------------------------


def create(
    api: verbs.Api, call: exchange.Call, target: Target, issuer: auth.TokenIssuer | None
) -> exchange.Response:
    """POST on binding, eviction or token. Raises ApiError."""
    body = call.json()
    if not isinstance(body, dict):
        raise errors.bad_request("the body must be a JSON object")
    options = verbs.WriteOptions(
        user=call.user, dry_run="dryRun" in call.info.query.values, manager="kube-apiserver"
    )
    made = {"binding": bind, "eviction": evict}.get(target.subresource)
    if made is not None:
        answer = made(api, target, body, options)
    elif target.subresource == "token":
        answer = request_token(api, target, body, issuer)
    else:
        raise errors.method_not_allowed(target.info)
    return exchange.Response(status=201, body=rendering.body(answer, negotiate.Form()))


_DONE: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def bind(api: verbs.Api, target: Target, body: Json, options: verbs.WriteOptions) -> Json:
    """Set a Pod's node, once. Raises ApiError 400, 409."""
    node = (body.get("target") or {}).get("name") if isinstance(body.get("target"), dict) else None
    if not isinstance(node, str) or not node:
        raise errors.bad_request("target.name of a Binding must name a node")

    def edit(obj: Json) -> Json:
        held = (obj.get("spec") or {}).get("nodeName")
        if held:
            why = f"pod {target.name} is already assigned to node {held!r}"
            raise errors.conflict(target.info, target.name, why)
        return {**obj, "spec": {**obj.get("spec", {}), "nodeName": node}}

    api.rewrite(Target(target.kind, target.version, target.namespace, target.name), edit, options)
    return {**_DONE, "code": 201}


def evict(api: verbs.Api, target: Target, body: Json, options: verbs.WriteOptions) -> Json:
    """Delete a Pod as its Eviction's deleteOptions say."""
    how = objects.delete_options(body.get("deleteOptions"), {})
    api.delete(Target(target.kind, target.version, target.namespace, target.name), how, options)
    return {**_DONE, "code": 201}


def request_token(
    api: verbs.Api, target: Target, body: Json, issuer: auth.TokenIssuer | None
) -> Json:
    """Issue a token for a ServiceAccount. Raises ApiError 400, 404, 503."""
    if issuer is None:
        raise errors.unavailable("this server issues no tokens")
    account = api.get(Target(target.kind, target.version, target.namespace, target.name))
    spec = body.get("spec")
    spec = {} if spec is None else spec
    if not isinstance(spec, dict):
        raise errors.bad_request("spec must be an object")
    audiences = spec.get("audiences") or [auth.ISSUER]
    if not isinstance(audiences, list) or not all(isinstance(one, str) for one in audiences):
        raise errors.bad_request("spec.audiences must be a list of strings")
    least, most, usual = TOKEN_SECONDS
    seconds = spec.get("expirationSeconds") or usual
    if type(seconds) is not int or seconds < least:
        raise errors.bad_request(f"spec.expirationSeconds must be at least {least}")
    seconds = min(seconds, most)
    token = issuer.issue(
        target.namespace, target.name, account["metadata"]["uid"], tuple(audiences), seconds
    )
    expires = clock.rfc3339(api.clock.now() + timedelta(seconds=seconds))
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": target.name, "namespace": target.namespace},
        "spec": {"audiences": audiences, "expirationSeconds": seconds},
        "status": {"token": token, "expirationTimestamp": expires},
    }
