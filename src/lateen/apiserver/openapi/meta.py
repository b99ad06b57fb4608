"""What every OpenAPI document speaks of beside its kinds: Status, DeleteOptions, Scale. Pure."""

from typing import Any

import msgspec

from lateen.base.jsonvalue import Json

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_SCALE = "io.k8s.api.autoscaling.v1.Scale"


class References(msgspec.Struct, frozen=True, kw_only=True):
    """The schemas that a kind's operations read and answer with, as references; `failure` is the
    response of every refusal. `swagger` asks for OpenAPI v2's way of writing."""

    swagger: bool
    object: Json
    listed: Json
    deleted: Json
    delete_options: Json
    scale: Json
    failure: str


def references(schemas: str, responses: str, name: str, *, swagger: bool) -> References:
    """Return the references of the kind that is defined under a name.

    `schemas` and `responses` are where these live, such as `#/components/schemas/`.
    """
    one, status = {"$ref": schemas + name}, {"$ref": f"{schemas}{META}.Status"}
    return References(
        swagger=swagger,
        object=one,
        listed={"$ref": f"{schemas}{name}List"},
        # What a finalizer or a grace period holds is answered as it was left.
        deleted=status if swagger else {"anyOf": [status, one]},
        delete_options={"$ref": f"{schemas}{META}.DeleteOptions"},
        scale={"$ref": schemas + _SCALE},
        failure=f"{responses}Failure",
    )


def failure(schemas: str, *, swagger: bool) -> Json:
    """Return the response of every refusal."""
    schema = {"$ref": f"{schemas}{META}.Status"}
    if swagger:
        return {"description": "Refused", "schema": schema}
    return {"description": "Refused", "content": {"application/json": {"schema": schema}}}


def _object(description: str, fields: dict[str, Any], *required: str, **more: Any) -> Json:
    made: Json = {"type": "object", "description": description, "properties": fields, **more}
    return {**made, "required": list(required)} if required else made


def _kind(group: str, kind: str) -> Json:
    named = [{"group": group, "version": "v1", "kind": kind}]
    return {"x-kubernetes-group-version-kind": named}


_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "format": "int32"}
_HEAD = {"apiVersion": _TEXT, "kind": _TEXT}
_CAUSE = _object("One reason of several.", {"reason": _TEXT, "message": _TEXT, "field": _TEXT})
_DETAILS = _object(
    "What a Status is about.",
    {
        "name": _TEXT,
        "group": _TEXT,
        "kind": _TEXT,
        "uid": _TEXT,
        "causes": {"type": "array", "items": _CAUSE},
        "retryAfterSeconds": _NUMBER,
    },
)


def definitions(schemas: str) -> dict[str, Json]:
    """Return the schemas by name; `schemas` is where they will live."""
    metadata = {"$ref": f"{schemas}{META}.ObjectMeta"}
    return {
        f"{META}.Status": _object(
            "How a call ended.",
            {
                **_HEAD,
                "metadata": {"type": "object"},
                "status": {"type": "string", "enum": ["Success", "Failure"]},
                "message": _TEXT,
                "reason": _TEXT,
                "details": _DETAILS,
                "code": _NUMBER,
            },
            "apiVersion",
            "kind",
            "status",
            **_kind("", "Status"),
        ),
        f"{META}.DeleteOptions": _object(
            "How to delete.",
            {
                **_HEAD,
                "dryRun": {"type": "array", "items": _TEXT},
                "gracePeriodSeconds": {"type": "integer", "format": "int64"},
                "orphanDependents": {"type": "boolean"},
                "preconditions": _object("", {"uid": _TEXT, "resourceVersion": _TEXT}),
                "propagationPolicy": _TEXT,
            },
            **_kind("", "DeleteOptions"),
        ),
        _SCALE: _object(
            "How many an object is to be.",
            {
                **_HEAD,
                "metadata": {"allOf": [metadata]},
                "spec": _object("What is wanted.", {"replicas": _NUMBER}),
                "status": _object("What is there.", {"replicas": _NUMBER, "selector": _TEXT}),
            },
            **_kind("autoscaling", "Scale"),
        ),
    }
