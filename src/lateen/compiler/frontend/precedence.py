"""Age and naming of objects: what decides precedence throughout Istio. Pure."""

from typing import Protocol

from lateen.compiler.frontend.origin import Origin
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema.objectmeta import ObjectMeta


class HasMeta(Protocol):
    """Any object with metadata."""

    @property
    def metadata(self) -> ObjectMeta:
        """Return the object's metadata."""
        ...


AgeKey = tuple[str, str, str]


def age(obj: HasMeta) -> AgeKey:
    """Sort key, oldest first: creation time, then name, then namespace.

    RFC 3339 times in UTC sort as text; an object without one (read from a file) is oldest.
    """
    meta = obj.metadata
    return (meta.creation_timestamp or "", meta.name, meta.namespace)


def source(kind: str, obj: HasMeta, path: str = "") -> Source:
    """Return the source for a field of an object; for one that was made of others, theirs."""
    if isinstance(obj.metadata, Origin):
        return obj.metadata.source(path)
    return Source(ObjectRef(kind, obj.metadata.namespace, obj.metadata.name), path)


def exported(export_to: tuple[str, ...], owner: str, client: str) -> bool:
    """Whether an object of namespace `owner` is visible in namespace `client`: `*` is everywhere,
    as is what lists nothing; else `~` nowhere, `.` at home."""
    if not export_to or "*" in export_to:
        return True
    if "~" in export_to:
        return False
    return client in export_to or ("." in export_to and owner == client)


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether every selector label is among `labels`; an empty selector selects all."""
    return all(labels.get(key) == wanted for key, wanted in selector.items())
