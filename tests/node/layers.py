"""Images made from layers, as tests need them: archives and layouts of their own making."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from backports import zstd

Pack = Callable[[bytes], bytes]


def plain(data: bytes) -> bytes:
    return data


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 1)


def zstandard(data: bytes) -> bytes:
    return zstd.compress(data, 1)


class Layer:
    """A layer in the making."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        form = tarfile.PAX_FORMAT
        self._archive = tarfile.TarFile(fileobj=self._buffer, mode="w", format=form)

    def entry(self, name: str, kind: bytes, data: bytes = b"", **fields: Any) -> "Layer":
        """Add what tar can name: mode, uid, gid, linkname, pax_headers."""
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, len(data)
        for field, value in {"mode": 0o755, **fields}.items():
            setattr(info, field, value)
        self._archive.addfile(info, io.BytesIO(data))
        return self

    def file(self, name: str, data: bytes | str, **fields: Any) -> "Layer":
        raw = data.encode() if isinstance(data, str) else data
        return self.entry(name, tarfile.REGTYPE, raw, **{"mode": 0o644, **fields})

    def folder(self, name: str, **fields: Any) -> "Layer":
        return self.entry(name, tarfile.DIRTYPE, **fields)

    def link(self, name: str, target: str) -> "Layer":
        return self.entry(name, tarfile.SYMTYPE, linkname=target)

    def hard_link(self, name: str, target: str) -> "Layer":
        return self.entry(name, tarfile.LNKTYPE, linkname=target)

    def done(self) -> bytes:
        self._archive.close()
        return self._buffer.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layout(
    root: Path,
    layers: Sequence[bytes],
    *,
    name: str = "",
    tag: str = "",
    pack: Pack = gzipped,
    process: Any = None,
) -> str:
    """Write an OCI layout with one image; return its manifest's digest."""
    blobs = root / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def keep(data: bytes, kind: str) -> dict[str, Any]:
        (blobs / digest(data).partition(":")[2]).write_bytes(data)
        return {"mediaType": kind, "digest": digest(data), "size": len(data)}

    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": process or {},
        "rootfs": {"type": "layers", "diff_ids": [digest(one) for one in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": keep(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [keep(pack(one), "application/vnd.oci.image.layer.v1.tar") for one in layers],
    }
    entry = keep(json.dumps(manifest).encode(), manifest["mediaType"])
    entry["annotations"] = {"io.containerd.image.name": name} if name else {}
    if tag:
        entry["annotations"]["org.opencontainers.image.ref.name"] = tag
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return str(entry["digest"])
