"""The page's files, read once: a table of what is served, never a path that is joined."""

import base64
import hashlib
import json
import re
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

_MEDIA = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types lateen"
)
HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""On every answer at the page's address."""
_SPECIFIER = re.compile(r'(\bfrom\s*|\bimport\s*)"(\.{1,2}/[^"]+)"')
_SAVED = "lateen/"


class Asset(msgspec.Struct, frozen=True):
    """One file that is served."""

    content: bytes
    media: str


class Assets:
    """The table: the shell, and each file under `/s/DIGEST/`, where DIGEST is of all of them."""

    def __init__(self) -> None:
        root = files("lateen.page").joinpath("static")
        self._files = dict(sorted(_read(root, "")))
        digest = hashlib.sha256()
        for name, content in self._files.items():
            digest.update(name.encode() + b"\0" + content)
        self.root = f"/s/{digest.hexdigest()[:16]}/"
        shell = self._files["index.html"].decode()
        links = "\n".join(
            f'<link rel="modulepreload" href="{self.root}{name}">'
            for name in self._files
            if name.endswith(".js")
        )
        text = shell.replace("{{root}}", self.root).replace("<!-- preload -->", links)
        self.shell = Asset(text.encode(), "text/html; charset=utf-8")
        self._served = {
            self.root + name: Asset(content, _MEDIA[suffix])
            for name, content in self._files.items()
            if (suffix := f".{name.rpartition('.')[2]}") in _MEDIA
        }

    def find(self, path: str) -> Asset | None:
        """Return what is served at a path below `/s/`."""
        return self._served.get(path)

    def saved(self, state: object) -> str:
        """Return one file that shows a state without a lab, opened from disk.

        Modules do not load from `file:`: each is a `data:` URL that an import map names.
        """
        imports: dict[str, str] = {}
        for name, content in self._files.items():
            if name.endswith(".js"):
                text = _renamed(name, content.decode())
                coded = base64.b64encode(text.encode()).decode()
                imports[_SAVED + name] = f"data:text/javascript;base64,{coded}"
        scripts = [json.dumps({"imports": imports}), f'import "{_SAVED}app.js";\n']
        hashes = " ".join(f"'sha256-{_digest(each)}'" for each in scripts)
        style = self._files["page.css"].decode()
        policy = (
            f"default-src 'none'; script-src {hashes} data:; style-src 'sha256-{_digest(style)}'; "
            "img-src data:; base-uri 'none'; form-action 'none'"
        )
        kept = json.dumps(state).replace("<", "\\u003c")
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<link rel="icon" href="data:,">\n'
            f"<title>Lateen, saved</title>\n<style>{style}</style>\n"
            f'<script type="application/json" id="saved">{kept}</script>\n'
            f'<script type="importmap">{scripts[0]}</script>\n</head>\n<body>\n'
            '<div id="page"></div>\n'
            f'<script type="module">{scripts[1]}</script>\n</body>\n</html>\n'
        )


def _read(folder: Traversable, before: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _read(each, f"{before}{each.name}/")
        else:
            found.append((before + each.name, each.read_bytes()))
    return found


def _renamed(name: str, text: str) -> str:
    """Return a module whose imports are named as in the import map: a `data:` URL has no folder."""
    folder = name.split("/")[:-1]

    def named(found: re.Match[str]) -> str:
        parts = list(folder)
        for part in found[2].split("/"):
            if part == "..":
                parts.pop()
            elif part != ".":
                parts.append(part)
        return f'{found[1]}"{_SAVED}{"/".join(parts)}"'

    return _SPECIFIER.sub(named, text)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
