"""What a body must be before it is written: of its kind, known fields, sound metadata. Pure."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from lateen.apiserver import errors, fieldcauses
from lateen.apiserver.fieldcauses import Cause
from lateen.apiserver.kinds import crds, structural, versions
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.kinds.strategy.policies import POLICIES
from lateen.base.jsonvalue import Json
from lateen.model.schema import decode
from lateen.model.validation.kube import names

MAX_ANNOTATIONS = 256 * 1024
"""Bytes of all annotations of one object, as Kubernetes has it."""


class Read(NamedTuple):
    """A body in its plain form, and what there is to warn of."""

    body: Json
    warnings: tuple[str, ...]
    whole: bool
    """Whether nothing that its kind requires is missing: `faults` need not look again."""


def read(target: Target, body: Any, mode: str) -> Read:
    """Decode a body as an object of the target's kind.

    Unknown fields are dropped; `mode` (Strict, Warn, Ignore) says what else they lead to.
    Raises ApiError 400, 422.
    """
    given = versions.typed(target, body)
    decoded = decode.decode(target.info, given, strict=mode != "Ignore")
    plain = _plain(given, decoded.body)
    wrong = [p for p in decoded.problems if p.kind in ("type", "syntax")]
    if wrong and not target.info.is_istio:
        raise errors.bad_request(f"{_opening(target)}: {wrong[0].message}")
    unknown = [p.message for p in decoded.problems if p.kind in ("unknown", "duplicate")]
    causes = [_cause(p) for p in decoded.problems if p.kind in ("enum", "type", "syntax")]
    if causes:
        raise errors.invalid(target.info, _name(plain), causes)
    if target.kind.schemas:
        plain, dropped = structural.prune(target.kind.schemas[target.version], plain)
        unknown += [f'unknown field "{path}"' for path in dropped]
    whole = not any(p.kind == "required" for p in decoded.problems)
    return Read(plain, _judge(target, mode, unknown), whole)


def _plain(given: Json, body: Json) -> Json:
    plain = {**body, "apiVersion": given["apiVersion"], "kind": given["kind"]}
    metadata = plain.setdefault("metadata", {})
    for field in ("labels", "annotations", "finalizers", "ownerReferences"):
        if field in metadata and not metadata[field]:
            del metadata[field]
    return plain


def _name(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"].get("name") or "")


def _opening(target: Target) -> str:
    kind = target.info.kind
    return f'{kind} in version "{target.version}" cannot be handled as a {kind}'


def _judge(target: Target, mode: str, unknown: list[str]) -> tuple[str, ...]:
    if not unknown or mode == "Ignore":
        return ()
    if mode == "Strict":
        joined = ", ".join(unknown[:50])
        raise errors.bad_request(f"{_opening(target)}: strict decoding error: {joined}")
    return tuple(unknown)


def _cause(problem: decode.Problem) -> Cause:
    reasons = {"enum": "FieldValueNotSupported", "required": "FieldValueRequired"}
    return Cause(reasons.get(problem.kind, "FieldValueInvalid"), problem.message, problem.path)


@contextmanager
def shaped(target: Target) -> Iterator[None]:
    """Refuse what a kind's own rules stumble over: a custom kind is kept as it is sent, and so is
    the schema in a definition, so their fields may be of any type. Raises ApiError 400."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if target.info.struct is not None and target.info.resource != crds.RESOURCE:
            raise
        raise errors.bad_request(
            f"{_opening(target)}: a field is of another type than the kind has there"
        ) from error


def faults(
    target: Target, obj: Json, old: Json | None = None, *, whole: bool = False
) -> tuple[Cause, ...]:
    """Return what is wrong with an object whatever its kind: metadata, required fields, schema,
    the schema's rules.

    `old` is the object before a change: what the change leaves as it was may stay. `whole` says
    that reading it found every required field, so that it is not decoded again.
    """
    if target.info.resource == crds.RESOURCE:
        named = tuple(_metadata(obj["metadata"], namespaced=False))
        return (*named, *(crds.check(obj) or crds.rules(obj).causes))
    found = list(_metadata(obj["metadata"], namespaced=target.info.namespaced))
    schema = target.kind.schemas.get(target.version)
    if schema is not None:
        found += structural.validate(schema, obj, old)
        if not found and target.version in target.kind.rules:
            from lateen.apiserver.kinds import celrules  # a start does not need it

            found += celrules.evaluate(schema, obj, old)
    elif not found and target.info.resource == POLICIES:
        from lateen.apiserver.kinds import policies  # a start does not need it

        found += target.kind.strategy.validate_create(obj) or policies.check(obj)
    elif not found and not whole and target.info.struct is not None:
        problems = decode.decode(target.info, obj, strict=False).problems
        said = target.kind.strategy.says_missing
        found += [
            _cause(p)
            for p in problems
            if p.kind == "enum" or (p.kind == "required" and not p.path.startswith(said))
        ]
    return tuple(found)


def _metadata(metadata: Mapping[str, Any], *, namespaced: bool) -> Iterator[Cause]:
    if not metadata.get("name"):
        yield fieldcauses.required("metadata.name", "name or generateName is required")
    if namespaced and not metadata.get("namespace"):
        yield fieldcauses.required("metadata.namespace")
    for key, value in (metadata.get("labels") or {}).items():
        yield from _qualified("metadata.labels", key)
        if wrong := names.label_value(value):
            yield fieldcauses.invalid("metadata.labels", value[:200], wrong)
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        yield from _qualified("metadata.annotations", key.lower())
    if sum(len(key) + len(value) for key, value in annotations.items()) > MAX_ANNOTATIONS:
        yield Cause(
            "FieldValueTooLong",
            f"Too long: may not be more than {MAX_ANNOTATIONS} bytes",
            "metadata.annotations",
        )
    for one in metadata.get("finalizers") or ():
        yield from _qualified("metadata.finalizers", one)
    yield from _owners(metadata.get("ownerReferences") or ())


def _qualified(field: str, key: str) -> Iterator[Cause]:
    if wrong := names.label_key(key):
        yield fieldcauses.invalid(field, key[:200], wrong)


def _owners(owners: Any) -> Iterator[Cause]:
    controllers = 0
    for index, owner in enumerate(owners):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                path = f"metadata.ownerReferences[{index}].{field}"
                yield fieldcauses.invalid(path, "", "must not be empty")
        controllers += bool(owner.get("controller"))
    if controllers > 1:
        yield fieldcauses.invalid(
            "metadata.ownerReferences", [], "Only one reference can have Controller set to true"
        )
