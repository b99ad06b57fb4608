"""Manifests on their way to a lab, checked before anything is sent: kinds, fields, duplicates.

What reads them from files, folders and kustomizations is `sources`. Every command that takes
manifests takes them from `load`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lateen.cli.manifests import crds, foreign, sources
from lateen.cli.manifests.named import Named
from lateen.model.manifests import reader
from lateen.model.schema import decode, kinds
from lateen.model.schema.kindinfo import KindInfo
from lateen.model.validation import codes, dispatch


class Loaded(msgspec.Struct, frozen=True):
    """One manifest of a known kind, and where it stands."""

    kind: KindInfo
    body: dict[str, Any]
    manifest: reader.Manifest
    home: str = "default"
    """The namespace of an object that names none."""

    @property
    def name(self) -> str:
        """metadata.name."""
        return str(_metadata(self.body).get("name") or "")

    @property
    def namespace(self) -> str:
        """metadata.namespace, or that of its home; empty for what is in none."""
        if not self.kind.namespaced:
            return ""
        return str(_metadata(self.body).get("namespace") or self.home)

    def placed(self) -> dict[str, Any]:
        """Return the body with the namespace that it goes to."""
        metadata = dict(_metadata(self.body))
        if self.namespace:
            metadata["namespace"] = self.namespace
        return {**self.body, "metadata": metadata}

    @property
    def stands_in(self) -> bool:
        """Whether it is the definition of a foreign kind, which nobody wrote."""
        return foreign.MARK in (_metadata(self.body).get("annotations") or {})

    @property
    def where(self) -> str:
        """`file:line` of the document."""
        return f"{self.manifest.file}:{self.manifest.line}"


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = body.get("metadata")
    return found if isinstance(found, Mapping) else {}


class Surroundings(msgspec.Struct, frozen=True):
    """Where manifests are to go. `namespace` is the one that the command line names; `made`
    returns the kinds that are not built in, and is called when the first of them is met; `strict`
    refuses kinds that nothing defines."""

    namespace: str = ""
    made: Callable[[], crds.Defined] = crds.Defined
    strict: bool = False


class RefusedManifests(msgspec.Struct, frozen=True):
    """Why a set of manifests is not sent: messages that name file, line, field and remedy."""

    messages: tuple[str, ...]


class ManifestSet(msgspec.Struct, frozen=True):
    """Manifests that may be sent, in the order of the files. The definitions that stand in for
    foreign kinds are among them; `warnings` holds a line for each such kind."""

    items: tuple[Loaded, ...] = ()
    warnings: tuple[str, ...] = ()


NOWHERE = Surroundings()


def load(named: Named, known: Surroundings = NOWHERE) -> ManifestSet | RefusedManifests:
    """Read and check what a command line names. Raises LabError for what cannot be read."""
    read = sources.read(named)
    return checked(
        read.manifests,
        msgspec.structs.replace(known, strict=named.strict or known.strict),
        read.problems,
    )


def checked(
    found: Sequence[reader.Manifest],
    known: Surroundings = NOWHERE,
    problems: Sequence[str] = (),
) -> ManifestSet | RefusedManifests:
    """Check manifests: kinds, fields, duplicates. All of them are sound, or none is sent.

    `problems` is what was wrong already with the text that they are from.
    """
    messages = list(problems)
    made = _Made(found, known)
    loaded = [item for manifest in found if (item := _checked(manifest, made, messages))]
    messages += _duplicates(loaded)
    if messages:
        return RefusedManifests(tuple(messages))
    return ManifestSet((*made.stand_ins(loaded), *loaded), made.warnings())


class _Made:
    """The kinds that are not built in, looked up when the first of them is met."""

    def __init__(self, found: Sequence[reader.Manifest], known: Surroundings) -> None:
        self._found = found
        self.known = known
        self._kinds: crds.Defined | None = None
        self._foreign: dict[tuple[str, str], KindInfo] = {}
        self._places: dict[tuple[str, str], list[str]] = {}

    def find(self, api_version: str, name: str) -> KindInfo | None:
        """Return the row of a kind that a definition makes, of the lab or among the manifests."""
        if self._kinds is None:
            defined = [m.body for m in self._found if m.body.get("kind") == crds.DEFINITIONS.kind]
            there = self.known.made()
            written = (*crds.of_definitions(defined), *there.written)
            self._kinds = crds.Defined(written, there.standing_in)
        return crds.of_object(api_version, name, self._kinds.written)

    def take_in(self, manifest: reader.Manifest) -> KindInfo | None:
        """Return the row of a foreign kind, None if a kind is no such or may not be one."""
        api_version, name = (str(manifest.body.get(k, "")) for k in ("apiVersion", "kind"))
        if self.known.strict or not foreign.is_foreign(api_version, name):
            return None
        self._places.setdefault((api_version, name), []).append(f"{manifest.file}:{manifest.line}")
        if (row := crds.of_object(api_version, name, self._foreign.values())) is None:
            placed = bool(_metadata(manifest.body).get("namespace"))
            row = foreign.info(
                api_version,
                name,
                namespaced=placed or not foreign.is_cluster_wide(name),
                known=(*self._foreign.values(), *(self._kinds.standing_in if self._kinds else ())),
            )
            self._foreign[row.group, row.kind] = row
        return row

    def stand_ins(self, loaded: Sequence[Loaded]) -> Iterator[Loaded]:
        """Yield the definitions of the foreign kinds; each stands where its first object does."""
        for row in self._foreign.values():
            first = next(i for i in loaded if (i.kind.group, i.kind.kind) == (row.group, row.kind))
            body = foreign.definition(row)
            place = reader.Manifest(body, first.manifest.file, first.manifest.line)
            yield Loaded(crds.DEFINITIONS, body, place)

    def warnings(self) -> tuple[str, ...]:
        """Return a line for each foreign kind."""
        return tuple(foreign.warning(*kind, places) for kind, places in self._places.items())


def _checked(manifest: reader.Manifest, made: _Made, messages: list[str]) -> Loaded | None:
    where = f"{manifest.file}:{manifest.line}"
    api_version = str(manifest.body.get("apiVersion", ""))
    name = str(manifest.body.get("kind", ""))
    info = kinds.find(api_version, name) or made.find(api_version, name) or made.take_in(manifest)
    if info is None:
        unknown = _unknown_kind(api_version, name)
        messages.append(f"{where}: {unknown} [{codes.UNKNOWN_KIND}]")
        return None
    decoded = decode.decode(info, manifest.body, strict=True)
    for problem in decoded.problems:
        at = manifest.locate(problem.path)
        hint = f" {problem.suggestion}" if problem.suggestion else ""
        code = codes.CODES[problem.kind]
        messages.append(f"{at}: {problem.path}: {problem.message}.{hint} [{code}]")
    if decoded.object is not None and not decoded.problems:
        for fault in dispatch.validate(info, decoded.object).errors:
            messages.append(f"{manifest.locate(fault.path)}: {fault} [{codes.INVALID}]")
    home = made.known.namespace
    item = Loaded(info, dict(manifest.body), manifest, home or "default")
    messages += _misplaced(item, home)
    return item


def _misplaced(item: Loaded, home: str) -> Iterator[str]:
    """Yield why an object cannot be applied where it is to go, under the name it is to have."""
    if not item.name and _metadata(item.body).get("generateName"):
        yield f"{item.where}: {item.kind.kind} has only a generateName: name it, to apply it again"
    if home and item.namespace not in ("", home):
        yield (
            f'{item.where}: the namespace from the provided object "{item.namespace}" does not '
            f'match the namespace "{home}": leave out -n, or use -n {item.namespace}'
        )


def _unknown_kind(api_version: str, name: str) -> str:
    if not name or not api_version:
        missing = " and ".join(w for w, v in (("apiVersion", api_version), ("kind", name)) if not v)
        return f"{missing} not set: every manifest names both"
    if foreign.is_foreign(api_version, name):
        return (
            f"{name} ({api_version}) is not a kind of Lateen's, and nothing here defines it: leave "
            "out --strict to keep it for `get`, or apply its CustomResourceDefinition too"
        )
    versions = sorted({v for k in kinds.KINDS.values() if k.kind == name for v in k.api_versions})
    if versions:
        return f"no kind {name} in {api_version}: it is in {', '.join(versions)}"
    near = decode.nearest(name, [k.kind for k in kinds.KINDS.values()])
    return f"unknown kind {name} ({api_version})" + (f": did you mean {near}?" if near else "")


def _duplicates(loaded: Sequence[Loaded]) -> list[str]:
    first: dict[tuple[str, str, str], Loaded] = {}
    messages = []
    for item in loaded:
        key = (item.kind.resource, item.namespace, item.name)
        if key in first and item.name:
            messages.append(
                f"{item.where}: {item.kind.kind} {item.namespace}/{item.name} is already defined "
                f"at {first[key].where}: remove one, or give it another name "
                f"[{codes.DEFINED_TWICE}]"
            )
        first.setdefault(key, item)
    return messages
