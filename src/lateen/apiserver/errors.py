"""Every refusal as Kubernetes words it, and as the Status object a client reads. Pure."""

from collections.abc import Sequence

from lateen.apiserver.fieldcauses import Cause
from lateen.base.jsonvalue import Json
from lateen.model.client import ApiError
from lateen.model.schema.kindinfo import KindInfo


def status(error: ApiError) -> Json:
    """Return the Status object of an error."""
    body: Json = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
    }
    if error.reason:
        body["reason"] = error.reason
    if error.details:
        body["details"] = error.details
    body["code"] = error.code
    return body


def success(info: KindInfo, name: str, uid: str) -> Json:
    """Return the Status that a completed deletion answers with."""
    details: Json = {"name": name, "kind": info.plural, "uid": uid}
    if info.group:
        details["group"] = info.group
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def _cause(cause: Cause) -> Json:
    return {"reason": cause.reason, "message": cause.message, "field": cause.field}


def _details(info: KindInfo, name: str, kind: str = "") -> Json:
    details: Json = {"name": name} if name else {}
    if info.group:
        details["group"] = info.group
    details["kind"] = kind or info.plural
    return details


def not_found(info: KindInfo, name: str) -> ApiError:
    """404: the object is not there."""
    return ApiError(404, "NotFound", f'{info.resource} "{name}" not found', _details(info, name))


def unknown_path(info: KindInfo | None = None) -> ApiError:
    """404: no such resource type or path, or a subresource that the kind does not have.

    `kubectl debug` reads the details to tell a missing subresource from a missing pod.
    """
    message = "the server could not find the requested resource"
    return ApiError(404, "NotFound", message, _details(info, "") if info else None)


def already_exists(info: KindInfo, name: str) -> ApiError:
    """409: the name is taken."""
    return ApiError(
        409, "AlreadyExists", f'{info.resource} "{name}" already exists', _details(info, name)
    )


STALE = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(info: KindInfo, name: str, why: str = STALE) -> ApiError:
    """409: the write was based on something else than what is stored."""
    message = f'Operation cannot be fulfilled on {info.resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(info, name))


def invalid(info: KindInfo, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: the object breaks its kind's rules."""
    texts = list(dict.fromkeys(f"{c.field}: {c.message}" if c.field else c.message for c in causes))
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    kind = f"{info.kind}.{info.group}" if info.group else info.kind
    details = _details(info, name, info.kind)
    details["causes"] = [_cause(cause) for cause in causes]
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {joined}', details)


class DeniedError(ApiError):
    """What an admission rule refused, and what it has to say beside it: some clients try another
    way after a refusal and hide its message, but none hides a warning."""

    warnings: tuple[str, ...] = ()


def denied(
    info: KindInfo, name: str, why: str, causes: Sequence[Cause], warnings: tuple[str, ...]
) -> DeniedError:
    """403 by an admission rule, with its warnings."""
    plain = forbidden(info, name, why, causes)
    error = DeniedError(plain.code, plain.reason, plain.message, plain.details)
    error.warnings = warnings
    return error


_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413}


def because(refusal: DeniedError, reason: str) -> DeniedError:
    """A refusal by a ValidatingAdmissionPolicy: for the reason that it gives, 422 if that is none
    of those with a code of their own. Its text is a cause too, which kubectl shows."""
    why = refusal.message.partition(" is forbidden: ")[2]
    details = {**(refusal.details or {}), "causes": [{"message": why}]}
    error = DeniedError(_CODES.get(reason, 422), reason, refusal.message, details)
    error.warnings = refusal.warnings
    return error


def denied_by(webhook: str, why: str, causes: Sequence[Cause]) -> ApiError:
    """400 without a reason: a validating webhook refused and gave a message only.

    A cluster sends no details then; ours name the fields, and kubectl does not show them.
    """
    message = f'admission webhook "{webhook}" denied the request: {why}'
    return ApiError(400, "", message, {"causes": [_cause(cause) for cause in causes]})


def forbidden(info: KindInfo, name: str, why: str, causes: Sequence[Cause] = ()) -> ApiError:
    """403: an admission rule or a missing right."""
    subject = f'{info.resource} "{name}"' if name else info.resource
    details = _details(info, name)
    if causes:
        details["causes"] = [_cause(cause) for cause in causes]
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", details)


def invalid_options(causes: Sequence[Cause]) -> ApiError:
    """422: the options of a list or watch contradict each other."""
    texts = [str(cause) for cause in causes]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: Json = {"group": "meta.k8s.io", "kind": "ListOptions"}
    details["causes"] = [_cause(cause) for cause in causes]
    message = f'ListOptions.meta.k8s.io "" is invalid: {joined}'
    return ApiError(422, "Invalid", message, details)


def not_reached(asked: int, current: int) -> ApiError:
    """504: a list is to be newer than anything that was written; clients then list without it."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {current}",
        {"causes": [cause], "retryAfterSeconds": 1},
    )


def forbidden_path(user: str, verb: str, path: str, why: str) -> ApiError:
    """403: a missing right to a path that is no resource's."""
    message = f'forbidden: User "{user}" cannot {verb} path "{path}"'
    return ApiError(403, "Forbidden", f"{message}: {why}" if why else message, {})


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401: no token, or not one of ours."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def nobody_named() -> ApiError:
    """400: a request asks to be made as somebody, and does not say as whom."""
    return bad_request("an Impersonate- header is set, and Impersonate-User is not")


def method_not_allowed(info: KindInfo | None = None) -> ApiError:
    """405: the resource does not do that."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, _details(info, "") if info else None)


def not_acceptable(offered: str) -> ApiError:
    """406: the client wants a form that is not served."""
    message = f"only the following media types are accepted: {offered}"
    return ApiError(406, "NotAcceptable", message)


def unsupported_media(offered: str) -> ApiError:
    """415: the body is in a form that is not read."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{offered}"
    )
    return ApiError(415, "UnsupportedMediaType", message)


def too_large(limit: int) -> ApiError:
    """413: the body is over the limit, in bytes."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def too_many(what: str, seconds: int = 1) -> ApiError:
    """429: a bound on concurrent use was reached; retry after so many seconds."""
    return ApiError(429, "TooManyRequests", what, {"retryAfterSeconds": seconds})


def expired(message: str = "") -> ApiError:
    """410: the resourceVersion or continue token is older than what is kept."""
    return ApiError(
        410, "Expired", message or "The resourceVersion for the provided list is too old."
    )


def watch_expired(after: int, oldest: int = 0) -> ApiError:
    """410 of a watch: list again."""
    return ApiError(410, "Expired", f"too old resource version: {after} ({oldest})")


def storage_full(message: str) -> ApiError:
    """507: the disk took nothing; nothing was changed."""
    return ApiError(
        507,
        "InsufficientStorage",
        f"the store could not write: {message}; free disk space and retry",
    )


def unavailable(message: str) -> ApiError:
    """503: a part of the lab that is needed for this is not there."""
    return ApiError(503, "ServiceUnavailable", message)


def internal(message: str) -> ApiError:
    """500: our own fault; the message carries no traceback."""
    return ApiError(500, "InternalError", f"Internal error occurred: {message}")


def forbidden_protocol(offered: str, spoken: Sequence[str]) -> ApiError:
    """403: none of a client's stream protocols is spoken here."""
    message = (
        f"unable to upgrade: unable to negotiate protocol: client supports [{offered[:200]}], "
        f"server accepts {list(spoken)}"
    )
    return ApiError(403, "Forbidden", message)
