"""Who may do what, and the reviews that ask it. Pure.

The lab's owner may do everything. A ServiceAccount may do what a lab's own parts are trusted
with: read, and write in its own namespace; there is no RBAC engine here.
"""

from typing import Any

from lateen.apiserver import auth, discovery, errors, exchange, negotiate, rendering
from lateen.apiserver.request import RequestInfo
from lateen.model import kinds
from lateen.model.client import Json

_READ = ("get", "list", "watch")
_REACHING = ("exec", "attach", "portforward", "proxy")


def find(info: RequestInfo) -> discovery.Virtual | None:
    """Return the review that a URL names. Raises ApiError 405 for anything but a POST."""
    for virtual in discovery.VIRTUAL:
        if (virtual.group, virtual.version, virtual.plural) == (
            info.group,
            info.version,
            info.resource,
        ):
            if info.verb != "create" or info.name:
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


def authorize(user: auth.User, info: RequestInfo) -> None:
    """Let a request through. Raises ApiError 403."""
    # Reaching into a pod is no reading, though some clients open it by a GET.
    verb = "create" if info.subresource in _REACHING else info.verb
    resource = f"{info.resource}.{info.group}" if info.group else info.resource
    if allowed(user, verb, resource, info.namespace):
        return
    what = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    why = f'User "{user.name}" cannot {verb} resource "{what}" in API group "{info.group}" {where}'
    row = kinds.find_resource(resource)
    if row is None:
        raise errors.unknown_path()
    raise errors.forbidden(row, info.name, why)


def answer(call: exchange.Call, virtual: discovery.Virtual) -> exchange.Response:
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
    review["status"] = _status(call.user, virtual.kind, spec)
    return exchange.Response(status=201, body=rendering.body(review, negotiate.Form()))


def _status(user: auth.User, kind: str, spec: dict[str, Any]) -> Json:
    if kind == "SelfSubjectReview":
        return {"userInfo": user.as_json()}
    if kind == "TokenReview":
        return {"authenticated": False, "user": {}, "error": "tokens of others are not reviewed"}
    if kind == "SelfSubjectRulesReview":
        return _rules(user)
    subject = user if kind == "SelfSubjectAccessReview" else _subject(spec)
    return _access(subject, spec)


def _subject(spec: dict[str, Any]) -> auth.User:
    groups = spec.get("groups")
    names = tuple(str(one) for one in groups) if isinstance(groups, list) else ()
    return auth.User(str(spec.get("user") or ""), names)


def _access(user: auth.User, spec: dict[str, Any]) -> Json:
    asked = spec.get("resourceAttributes") or spec.get("nonResourceAttributes") or {}
    if not isinstance(asked, dict):
        raise errors.bad_request("resourceAttributes must be an object")
    group, plural = str(asked.get("group") or ""), str(asked.get("resource") or "")
    may = allowed(
        user,
        str(asked.get("verb") or ""),
        f"{plural}.{group}" if group else plural,
        str(asked.get("namespace") or ""),
    )
    if may:
        return {"allowed": True, "reason": "the lab grants this"}
    return {"allowed": False, "reason": "a ServiceAccount may read, and write in its own namespace"}


def _rules(user: auth.User) -> Json:
    verbs = ["*"] if user.is_admin else list(_READ)
    return {
        "resourceRules": [{"verbs": verbs, "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": verbs, "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }
