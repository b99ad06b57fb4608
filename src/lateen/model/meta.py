"""References to objects and to places inside them. Pure."""

import msgspec


class ObjectRef(msgspec.Struct, frozen=True, order=True, gc=False):
    """Which object: its kind (`VirtualService`), namespace (empty if cluster-wide) and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return (
            f"{self.kind}/{self.namespace}/{self.name}"
            if self.namespace
            else (f"{self.kind}/{self.name}")
        )


class Source(msgspec.Struct, frozen=True, order=True, gc=False):
    """The manifest field that decided something.

    `path` is a JSON path without the leading dollar: `spec.http[0].route[1].destination`.
    The file and line are looked up when something is shown (`model.snapshot.locate`), so that
    moving a manifest by a line changes no compiled value.
    """

    ref: ObjectRef
    path: str = ""

    def __str__(self) -> str:
        return f"{self.ref}#{self.path}" if self.path else str(self.ref)

    def at(self, path: str) -> "Source":
        """Return the source one step further in: `at("spec").at("tls")` is `spec.tls`."""
        joined = path if not self.path or path.startswith("[") else f".{path}"
        return Source(self.ref, self.path + joined)


def parse_source(text: str) -> Source:
    """Read back what `str(Source)` wrote. Raises ValueError on anything else."""
    where, _, path = text.partition("#")
    parts = where.split("/")
    if len(parts) == 2:
        return Source(ObjectRef(parts[0], "", parts[1]), path)
    if len(parts) != 3:
        raise ValueError(f"not a source: {text!r}")
    return Source(ObjectRef(*parts), path)


class Location(msgspec.Struct, frozen=True):
    """A place in a file: `file` as the user named it, `line` and `column` from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"
