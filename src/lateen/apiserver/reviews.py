"""Who may do what, and the reviews that ask it. Pure.

The lab's owner may do everything. A ServiceAccount may do what a lab's own parts are trusted
with: read, and write in its own namespace; there is no RBAC engine here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lateen.apiserver import auth, discovery, errors, exchange, negotiate, rendering
from lateen.apiserver.request import RequestInfo
from lateen.model import kinds
from lateen.model.client import Json

_READ = ("get", "list", "watch")
_REACHING = ("exec", "attach", "portforward", "proxy")


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


def allowed(user: auth.User, verb: str, resource: str, namespace: str) -> bool:
    """Tell whether a user may. `resource` is plural, or plural.group."""
    if user.is_admin:
        return True
    row = kinds.find_resource(resource)
    if row is not None and not row.namespaced:
        namespace = ""
    parts = user.name.split(":")
    if parts[:2] != ["system", "serviceaccount"] or len(parts) != 4:
        return False
    if verb in _READ:
        return resource != "secrets" or namespace == parts[2]
    return namespace == parts[2]


def _asked(verb: str, subresource: str) -> str:
    """Reaching into a pod is no reading, though some clients open it by a GET."""
    return "create" if subresource in _REACHING else verb


def authorize(user: auth.User, info: RequestInfo, row: kinds.KindInfo) -> None:
    """Let a request through that is about a kind. Raises ApiError 403."""
    verb = _asked(info.verb, info.subresource)
    resource = f"{info.resource}.{info.group}" if info.group else info.resource
    if allowed(user, verb, resource, info.namespace):
        return
    what = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    why = f'User "{user.name}" cannot {verb} resource "{what}" in API group "{info.group}" {where}'
    raise errors.forbidden(row, info.name, why)


def answer(
    call: exchange.Call, virtual: discovery.Virtual, served: Iterable[kinds.KindInfo]
) -> exchange.Response:
    """Answer a review; `served` are the kinds that rules are written for. Raises ApiError 400."""
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
    review["status"] = _status(call.user, virtual.kind, spec, served)
    return exchange.Response(status=201, body=rendering.body(review, negotiate.Form()))


def _status(
    user: auth.User, kind: str, spec: dict[str, Any], served: Iterable[kinds.KindInfo]
) -> Json:
    if kind == "SelfSubjectReview":
        return {"userInfo": user.as_json()}
    if kind == "TokenReview":
        return {"authenticated": False, "user": {}, "error": "tokens of others are not reviewed"}
    if kind == "SelfSubjectRulesReview":
        return _rules(user, str(spec.get("namespace") or ""), served)
    subject = user if kind == "SelfSubjectAccessReview" else _subject(spec)
    return _access(subject, spec)


def _subject(spec: dict[str, Any]) -> auth.User:
    groups = spec.get("groups")
    names = tuple(str(one) for one in groups) if isinstance(groups, list) else ()
    return auth.User(str(spec.get("user") or ""), names)


def _access(user: auth.User, spec: dict[str, Any]) -> Json:
    asked, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    for given in (asked, path):
        if given is not None and not isinstance(given, dict):
            raise errors.bad_request("resourceAttributes must be an object")
    if asked or not path:
        may = _may(user, asked or {})
    else:
        may = user.is_admin or (bool(user.groups) and path.get("verb") == "get")
    if may:
        return {"allowed": True, "reason": "the lab grants this"}
    return {"allowed": False, "reason": "a ServiceAccount may read, and write in its own namespace"}


def _may(user: auth.User, asked: Mapping[str, Any]) -> bool:
    group, plural = str(asked.get("group") or ""), str(asked.get("resource") or "")
    verb = _asked(str(asked.get("verb") or ""), str(asked.get("subresource") or ""))
    resource = f"{plural}.{group}" if group else plural
    return allowed(user, verb, resource, str(asked.get("namespace") or ""))


def _rules(user: auth.User, namespace: str, served: Iterable[kinds.KindInfo]) -> Json:
    """What a user may do in a namespace, as a list of rules; it says what `allowed` decides."""
    everything = [_rule("*", "*", ["*"])]
    rules = everything if user.is_admin else list(_rules_of(user, namespace, served))
    verbs = ["*"] if user.is_admin else ["get"]
    return {
        "resourceRules": rules,
        "nonResourceRules": [{"verbs": verbs, "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }


def _rules_of(user: auth.User, namespace: str, served: Iterable[kinds.KindInfo]) -> Iterable[Json]:
    for row in served:
        probe = "create" if allowed(user, "create", row.resource, namespace) else "get"
        if allowed(user, probe, row.resource, namespace):
            verbs = ["*"] if probe == "create" else list(_READ)
            yield _rule(row.group, row.plural, verbs)


def _rule(group: str, plural: str, verbs: list[str]) -> Json:
    return {"verbs": verbs, "apiGroups": [group], "resources": [plural]}
