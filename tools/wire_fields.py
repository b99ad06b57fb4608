"""Makes `wirefields.json`: field numbers of the messages that clients send in protobuf's form."""

from collections.abc import Iterator
from typing import Any

import go_types
from go_types import API, META, Field

Json = dict[str, Any]

KINDS = {
    "admissionregistration/v1": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    "apps/v1": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
    "authentication/v1": "SelfSubjectReview TokenRequest TokenReview",
    "authorization/v1": (
        "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview"
        " SubjectAccessReview"
    ),
    "autoscaling/v1": "Scale",
    "autoscaling/v2": "HorizontalPodAutoscaler",
    "batch/v1": "CronJob Job",
    "certificates/v1": "CertificateSigningRequest",
    "coordination/v1": "Lease",
    "core/v1": (
        "Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume"
        " PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service"
        " ServiceAccount"
    ),
    "discovery/v1": "EndpointSlice",
    "networking/v1": "Ingress IngressClass NetworkPolicy",
    "policy/v1": "Eviction PodDisruptionBudget",
    "rbac/v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "scheduling/v1": "PriorityClass",
    "storage/v1": "StorageClass",
}
"""Every kind that is served, and the requests that are no kinds, by their Go package."""
FULL = {
    "admissionregistration": "admissionregistration.k8s.io",
    "authentication": "authentication.k8s.io",
    "authorization": "authorization.k8s.io",
    "certificates": "certificates.k8s.io",
    "coordination": "coordination.k8s.io",
    "discovery": "discovery.k8s.io",
    "networking": "networking.k8s.io",
    "rbac": "rbac.authorization.k8s.io",
    "scheduling": "scheduling.k8s.io",
    "storage": "storage.k8s.io",
}
META_V1 = f"{META}/pkg/apis/meta/v1"
CODES = {
    "string": "s",
    "boolean": "f",
    "integer": "i",
    "number": "d",
    "byte": "b",
    "quantity": "q",
    "int-or-string": "x",
}
SPECIAL = {
    f"{META_V1}.Time": "t",
    f"{META_V1}.MicroTime": "u",
    f"{META_V1}.Duration": "n",
    f"{META_V1}.FieldsV1": "j",
    f"{META}/pkg/runtime.RawExtension": "j",
}

Place = tuple[str, str]


def made() -> Json:
    """Return the message of every kind, and the fields of every message that one reaches."""
    kinds = dict(_kinds())
    reached: dict[Place, list[tuple[Field, str, Place | None, str]]] = {}
    waiting = list(kinds.values())
    while waiting:
        place = waiting.pop()
        if place not in reached:
            reached[place] = list(_fields(*place))
            waiting += [inner for _, _, inner, _ in reached[place] if inner is not None]
    names = _names(list(reached))
    messages = {
        names[place]: " ".join(
            f"{field.number}{mark}:{field.wire_name}:{code}{names[inner] if inner else ''}"
            for field, mark, inner, code in fields
        )
        for place, fields in reached.items()
    }
    return {
        "kinds": {kind: names[place] for kind, place in sorted(kinds.items())},
        "messages": dict(sorted(messages.items())),
    }


def _kinds() -> Iterator[tuple[str, Place]]:
    for package, kinds in KINDS.items():
        group, version = package.split("/")
        served = version if group == "core" else f"{FULL.get(group, group)}/{version}"
        for kind in kinds.split():
            yield f"{served}/{kind}", (f"{API}/{package}", kind)
    yield "v1/DeleteOptions", (META_V1, "DeleteOptions")


def _names(places: list[Place]) -> dict[Place, str]:
    """Name messages as Kubernetes does; where two groups have one, the group stands before it."""
    bare = [name for _, name in places]
    return {
        (home, name): name if bare.count(name) == 1 else f"{home.split('/')[-2]}.{name}"
        for home, name in places
    }


def _fields(home: str, name: str) -> Iterator[tuple[Field, str, Place | None, str]]:
    """Each field with its mark, the message it holds (None for a scalar) and the code of its
    type."""
    for field in go_types.package(home).structs[name].fields:
        if not field.number:
            continue
        around, inner_home, bare = go_types.shape(home, field.type)
        code = SPECIAL.get(f"{inner_home}.{bare}", "")
        kind = "" if code else go_types.scalar(inner_home, bare)[0]
        code = code or CODES.get(kind, "")
        shape = {"[": "*", "{": "%"}.get(around.lstrip("?")[:1], "")
        yield field, _mark(field, around, code), None if code else (inner_home, bare), shape + code


def _mark(field: Field, around: str, code: str) -> str:
    """`~`: its fields belong to the outer object. `!`: a zero is a value. `-`: nothing when empty,
    as an empty part of a status or of a strategy says nothing; metadata and spec are kept."""
    if field.embedded:
        return "~"
    if code in ("i", "f", "s") and ("?" in around or not field.omitted_when_empty):
        return "!"
    bare = not code and not around
    return (
        "-" if bare and field.omitted_when_empty and field.name not in ("metadata", "spec") else ""
    )
