"""Folders with a kustomization: built by the real kustomize, with the files that objects stand in.

Kustomize notes for each object which file it read it from, when it is asked to. So an answer about
a built object still names a line of the person's own file, not one of the built text.
"""

import contextlib
import dataclasses
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lateen.app.lab.lab import LabError
from lateen.cli import exits
from lateen.model.manifests import reader
from lateen.model.manifests.reader import Manifest

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The files that make a folder one of kustomize."""
_ORIGIN = "config.kubernetes.io/origin"
_PATH = re.compile(r"^(path|configuredIn): (.+)$", re.MULTILINE)
_REMOTE = re.compile(r"^(repo|ref): ", re.MULTILINE)
_SECONDS = 120.0
CODE = "LTN0092"

Opened = Callable[[Path], Sequence[Manifest]]
"""Reads the manifests of a file; none for a file that cannot be read."""


def is_built(folder: Path) -> bool:
    """Whether a folder is to be built by kustomize."""
    return any((folder / name).is_file() for name in NAMES)


def build(folder: Path) -> list[Manifest]:
    """Build a folder and return its objects, each with its place in the file it came from.

    Raises LabError when no kustomize is there, or when it refuses the folder.
    """
    tool = command()
    if tool is None:
        raise LabError(
            f"{folder}: this folder is built by kustomize, and neither kubectl nor kustomize is "
            "on the PATH: install one of them, or render it elsewhere and pass the result with "
            f"`-f -` [{CODE}]"
        )
    text, outer = _run(tool, folder)
    built = reader.parse(text, f"{folder} (built)")
    opened: dict[Path, Sequence[Manifest]] = {}
    top = os.path.realpath(folder)

    def read(path: Path) -> Sequence[Manifest]:
        if path not in opened:
            opened[path] = _read(path)
        return opened[path]

    def named(noted: str) -> Path:
        below = os.path.relpath(os.path.normpath(os.path.join(outer, noted)), top)
        return Path(os.path.normpath(os.path.join(folder, below)))

    return [placed(one, named, read) for one in built.manifests]


def command() -> list[str] | None:
    """Return the command line of a kustomize, kubectl's or its own; None where there is none."""
    if found := shutil.which("kubectl"):
        return [found, "kustomize"]
    if found := shutil.which("kustomize"):
        return [found, "build"]
    return None


def _run(tool: Sequence[str], folder: Path) -> tuple[str, str]:
    """Build a folder of ours that has the person's as its one resource and asks for origins.

    Returns what was built, and the folder that its origins are relative to.
    """
    with tempfile.TemporaryDirectory(prefix="lateen-kustomize-") as scratch:
        outer = Path(os.path.realpath(scratch))
        inner = os.path.relpath(os.path.realpath(folder), outer)
        lines = ("resources:", f"- {inner}", "buildMetadata: [originAnnotations]", "")
        (outer / NAMES[0]).write_text("\n".join(lines), encoding="utf-8")
        try:
            done = subprocess.run(
                [*tool, str(outer)],
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(
                f"{folder}: kustomize did not end in {_SECONDS:.0f} s: a remote base may not "
                f"answer [{CODE}]"
            ) from error
    if done.returncode:
        raise LabError(f"{folder}: kustomize: {innermost(done.stderr)} [{CODE}]", exits.UNPARSABLE)
    return done.stdout, str(outer)


def innermost(message: str) -> str:
    """Return what kustomize complains of, without the folders that it went through on its way."""
    line = next((one for one in message.splitlines() if one.strip()), "it gave no reason")
    causes = re.findall(r"accumulation err='accumulating resources from '([^']+)': ([^:].*)", line)
    text = re.sub(r"^(Error|error): ", "", line.strip())
    if not causes:
        return text
    while inner := re.match(r".*accumulating resources from '([^']+)': (.+)", text):
        text = inner[2]
    name = re.findall(r"accumulating resources from '([^']+)'", line)[-1]
    return f"{name}: {text.split(': must build at directory')[0].rstrip(chr(39))}"


def _read(path: Path) -> Sequence[Manifest]:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return reader.parse(path.read_text(encoding="utf-8"), str(path)).manifests
    return ()


def placed(built: Manifest, named: Callable[[str], Path], read: Opened) -> Manifest:
    """Return a built object without the note of its origin, at the place that the note names.

    `named` makes a path of the note one that the person knows. What kustomize fetched from
    elsewhere, and what no file holds, keeps its place in the built text.
    """
    body, note = _without_note(built.body)
    found = _PATH.search(note)
    if not found or _REMOTE.search(note):
        return dataclasses.replace(built, body=body)
    path = named(found[2])
    if found[1] == "configuredIn":
        return Manifest(body, str(path), 1)
    written = origin(body, read(path))
    return dataclasses.replace(written or built, body=body)


def _without_note(body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    metadata = dict(body.get("metadata") or {})
    annotations = dict(metadata.pop("annotations", None) or {})
    note = str(annotations.pop(_ORIGIN, ""))
    if annotations:
        metadata["annotations"] = annotations
    return {**body, "metadata": metadata}, note


def origin(body: dict[str, Any], written: Sequence[Manifest]) -> Manifest | None:
    """Return which of a file's objects became a built one: of the same kind, and of its name or
    of the longest part of it (kustomize adds prefixes, suffixes and hashes)."""
    name = str((body.get("metadata") or {}).get("name") or "")
    same = [one for one in written if one.body.get("kind") == body.get("kind")]
    held = [one for one in same if _name(one) and _name(one) in name]
    return max(held, key=lambda one: len(_name(one)), default=None)


def _name(one: Manifest) -> str:
    metadata = one.body.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, dict) else ""
