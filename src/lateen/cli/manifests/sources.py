"""Where manifests come from: files, folders, standard input, kustomizations. Reads them, and judges
only their text; `files` judges the objects."""

import sys
from pathlib import Path
from typing import Any

import msgspec

from lateen.app.lab import settings as lab_settings
from lateen.app.lab.lab import LabError
from lateen.cli import exits
from lateen.cli.manifests import helm, kustomize
from lateen.cli.manifests.named import Named
from lateen.model.manifests import reader as manifests
from lateen.model.manifests.reader import Manifest
from lateen.model.validation import codes

SUFFIXES = {".yaml", ".yml", ".json"}


class Read(msgspec.Struct, frozen=True):
    """What was read, in order, and what was wrong with the text of the rest."""

    manifests: tuple[Manifest, ...]
    problems: tuple[str, ...] = ()


def read(named: Named) -> Read:
    """Read all that is named. Raises LabError for what is not there or is no text.

    A folder gives its .yaml, .yml and .json files in name order, as kubectl reads it, without
    lateen.yaml. One with a kustomization gives what kustomize builds of it.
    """
    found: list[Manifest] = []
    problems: list[str] = []
    for name in named.overlays:
        found += kustomize.build(_overlay(name))
    for name in named.names:
        path = Path(name)
        if name == "-":
            _text(sys.stdin.buffer.read(), "<stdin>", found, problems)
        elif path.is_dir():
            _folder(path, found, problems, recursive=named.recursive)
        elif path.name in kustomize.NAMES and path.exists():
            found += kustomize.build(path.parent)
        elif path.exists():
            _text(path.read_bytes(), name, found, problems)
        else:
            raise LabError(f"{name}: no such file or folder", exits.USAGE)
    return Read(tuple(found), tuple(problems))


def _overlay(name: str) -> Path:
    path = Path(name)
    folder = path.parent if path.name in kustomize.NAMES else path
    if not kustomize.is_built(folder):
        raise LabError(f"-k {name}: no kustomization.yaml there", exits.USAGE)
    return folder


def _folder(path: Path, found: list[Manifest], problems: list[str], *, recursive: bool) -> None:
    if kustomize.is_built(path):
        found += kustomize.build(path)
        return
    if (path / helm.CHART).is_file():
        problems.append(helm.unrendered(str(path / helm.CHART), f"helm template NAME {path}"))
        return
    for file in inside(path, recursive=recursive):
        if file.name in kustomize.NAMES:
            problems.append(
                f"{file}: {file.parent} is built by kustomize: pass it alone, with -k "
                f"{file.parent} [{kustomize.CODE}]"
            )
        else:
            _text(file.read_bytes(), str(file), found, problems)


def inside(folder: Path, *, recursive: bool = False) -> list[Path]:
    """Return the manifest files of a folder in name order, none if there are none."""
    every = sorted(folder.rglob("*") if recursive else folder.iterdir())
    return [
        one
        for one in every
        if one.suffix in SUFFIXES and one.name != lab_settings.CONFIG_NAME and _is_file(one)
    ]


def _is_file(path: Path) -> bool:
    """Whether it is a file, or a link that leads nowhere: which is told, not passed over."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _text(content: bytes, label: str, found: list[Manifest], problems: list[str]) -> None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LabError(
            f"{label}: not a text file (byte {error.start} is not UTF-8)", exits.UNPARSABLE
        ) from error
    parsed = manifests.parse(text, label)
    line = helm.line_of(text)
    if line is not None and (parsed.problems or any(_templated(m.body) for m in parsed.manifests)):
        problems.append(helm.unrendered(f"{label}:{line}"))
        return
    problems += [f"{problem} [{codes.SYNTAX}]" for problem in parsed.problems]
    found += parsed.manifests


def _templated(body: dict[str, Any]) -> bool:
    """Whether an object is named by a template: its data may hold braces of another language."""
    parts = (body.get("apiVersion"), body.get("kind"), body.get("metadata"))
    return any("{{" in str(part) and helm.line_of(str(part)) for part in parts)
