"""What a command line names as manifests. Light: `up` needs it before it loads what reads them."""

from collections.abc import Sequence
from pathlib import Path

import msgspec


class Named(msgspec.Struct, frozen=True):
    """Files, folders and `-` for standard input; and folders that kustomize builds (`-k`).

    `recursive` goes into folders of folders; `strict` refuses kinds that nothing defines.
    """

    names: Sequence[str] = ()
    overlays: Sequence[str] = ()
    recursive: bool = False
    strict: bool = False

    def __bool__(self) -> bool:
        return bool(self.names or self.overlays)

    def __str__(self) -> str:
        return ", ".join((*self.names, *self.overlays))

    @property
    def watchable(self) -> bool:
        """Whether all of them can be read again."""
        return bool(self) and "-" not in self.names

    @property
    def folders(self) -> list[Path]:
        """The folders among them, in order."""
        every = (Path(name) for name in (*self.names, *self.overlays) if name != "-")
        return [path for path in every if path.is_dir()]
