"""Manifests from files, folders and standard input, checked before anything is sent."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lateen.app.lab import settings as lab_settings
from lateen.app.lab.lab import LabError
from lateen.cli import exits
from lateen.cli.objects import crds
from lateen.model.manifests import reader
from lateen.model.schema import decode, kinds
from lateen.model.schema.kindinfo import KindInfo
from lateen.model.validation import codes, dispatch

SUFFIXES = {".yaml", ".yml", ".json"}


class Loaded(msgspec.Struct, frozen=True):
    """One manifest of a known kind, and where it stands."""

    kind: KindInfo
    body: dict[str, Any]
    manifest: reader.Manifest
    home: str = "default"
    """The namespace of what names none."""

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

    @property
    def where(self) -> str:
        """`file:line` of the document."""
        return f"{self.manifest.file}:{self.manifest.line}"


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = body.get("metadata")
    return found if isinstance(found, Mapping) else {}


class Surroundings(msgspec.Struct, frozen=True):
    """Where manifests are to go: the namespace that the command line names, and who tells, when
    it is asked, which kinds there are that are not built in."""

    namespace: str = ""
    made: Callable[[], Sequence[KindInfo]] = tuple


class Refused(msgspec.Struct, frozen=True):
    """Why a set of manifests is not sent: messages that name file, line, field and remedy."""

    messages: tuple[str, ...]


def collect(names: Sequence[str], *, recursive: bool = False) -> list[Path]:
    """Return the manifest files that the arguments name; `-` stays as it is.

    A folder gives its .yaml, .yml and .json files in name order, as kubectl reads it, without
    lateen.yaml. Raises LabError when a name does not exist or a folder holds no manifest.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if name == "-":
            found.append(path)
        elif path.is_dir():
            inside = sorted(path.rglob("*") if recursive else path.iterdir())
            files = [
                p
                for p in inside
                if p.suffix in SUFFIXES and p.is_file() and p.name != lab_settings.CONFIG_NAME
            ]
            if not files:
                raise LabError(f"{name}: no .yaml, .yml or .json file in this folder", exits.USAGE)
            found.extend(files)
        elif path.exists():
            found.append(path)
        else:
            raise LabError(f"{name}: no such file or folder", exits.USAGE)
    return found


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LabError(
            f"{path}: not a text file (byte {error.start} is not UTF-8)", exits.UNPARSABLE
        ) from error


NOWHERE = Surroundings()


def load(
    names: Sequence[str], known: Surroundings = NOWHERE, *, recursive: bool = False
) -> list[Loaded] | Refused:
    """Read and check manifests: syntax, kinds, fields, duplicates. Nothing is sent unless all
    are sound."""
    messages: list[str] = []
    found: list[reader.Manifest] = []
    for path in collect(names, recursive=recursive):
        label = "<stdin>" if str(path) == "-" else str(path)
        parsed = reader.parse(_read(path), label)
        messages += [f"{problem} [{codes.SYNTAX}]" for problem in parsed.problems]
        found += parsed.manifests
    made = _Made(found, known)
    loaded = [item for manifest in found if (item := _checked(manifest, made, messages))]
    messages += _duplicates(loaded)
    return Refused(tuple(messages)) if messages else loaded


class _Made:
    """The kinds that are not built in, looked up when the first of them is met."""

    def __init__(self, found: Sequence[reader.Manifest], known: Surroundings) -> None:
        self._found = found
        self.known = known
        self._kinds: tuple[KindInfo, ...] | None = None

    def find(self, api_version: str, name: str) -> KindInfo | None:
        if self._kinds is None:
            defined = [m.body for m in self._found if m.body.get("kind") == crds.DEFINITIONS.kind]
            self._kinds = (*crds.of_definitions(defined), *self.known.made())
        return crds.of_object(api_version, name, self._kinds)


def _checked(manifest: reader.Manifest, made: _Made, messages: list[str]) -> Loaded | None:
    where = f"{manifest.file}:{manifest.line}"
    api_version = str(manifest.body.get("apiVersion", ""))
    name = str(manifest.body.get("kind", ""))
    info = kinds.find(api_version, name) or made.find(api_version, name)
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
