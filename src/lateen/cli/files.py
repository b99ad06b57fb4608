"""Manifests from files, folders and standard input, checked before anything is sent."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from lateen.app import settings as lab_settings
from lateen.app.lab import LabError
from lateen.cli import exits
from lateen.model import decode, kinds, manifests
from lateen.model.kinds import KindInfo
from lateen.model.validation import diagnosing, dispatch

SUFFIXES = {".yaml", ".yml", ".json"}


class Loaded(msgspec.Struct, frozen=True):
    """One manifest of a known kind, and where it stands."""

    kind: KindInfo
    body: dict[str, Any]
    manifest: manifests.Manifest

    @property
    def name(self) -> str:
        """metadata.name."""
        return str(self.body.get("metadata", {}).get("name", ""))

    @property
    def namespace(self) -> str:
        """metadata.namespace, `default` when a namespaced manifest names none."""
        if not self.kind.namespaced:
            return ""
        return str(self.body.get("metadata", {}).get("namespace") or "default")

    @property
    def where(self) -> str:
        """`file:line` of the document."""
        return f"{self.manifest.file}:{self.manifest.line}"


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


def load(names: Sequence[str], *, recursive: bool = False) -> list[Loaded] | Refused:
    """Read and check manifests: syntax, kinds, fields, duplicates. Nothing is sent unless all
    are sound."""
    messages: list[str] = []
    loaded: list[Loaded] = []
    for path in collect(names, recursive=recursive):
        label = "<stdin>" if str(path) == "-" else str(path)
        parsed = manifests.parse(_read(path), label)
        messages += [str(problem) for problem in parsed.problems]
        for manifest in parsed.manifests:
            item = _known(manifest, messages)
            if item:
                loaded.append(item)
    messages += _duplicates(loaded)
    return Refused(tuple(messages)) if messages else loaded


def _known(manifest: manifests.Manifest, messages: list[str]) -> Loaded | None:
    where = f"{manifest.file}:{manifest.line}"
    api_version = str(manifest.body.get("apiVersion", ""))
    name = str(manifest.body.get("kind", ""))
    info = kinds.find(api_version, name)
    if info is None:
        messages.append(f"{where}: {_unknown_kind(api_version, name)}")
        return None
    decoded = decode.decode(info, manifest.body, strict=True)
    for problem in decoded.problems:
        at = manifest.locate(problem.path)
        hint = f" {problem.suggestion}" if problem.suggestion else ""
        code = diagnosing.CODES[problem.kind]
        messages.append(f"{at}: {problem.path}: {problem.message}.{hint} [{code}]")
    if decoded.object is not None and not decoded.problems:
        for fault in dispatch.validate(info, decoded.object).errors:
            messages.append(f"{manifest.locate(fault.path)}: {fault} [{diagnosing.INVALID}]")
    return Loaded(info, dict(manifest.body), manifest)


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
                f"at {first[key].where}: remove one, or give it another name"
            )
        first.setdefault(key, item)
    return messages
