"""Files of a folder over HTTP, as nginx and Apache serve them, a pod's mounts included."""

import os
import stat

from lateen.node.standins import query
from lateen.node.standins.http1 import SiteRequest, SiteResponse
from lateen.node.standins.sites.pages import http_date

_TYPES = {
    "html": "text/html", "htm": "text/html", "css": "text/css", "txt": "text/plain",
    "xml": "text/xml", "js": "application/javascript", "json": "application/json",
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "svg": "image/svg+xml",
    "ico": "image/x-icon", "gif": "image/gif", "wasm": "application/wasm",
}  # fmt: skip


def found(root: str, request: SiteRequest, *, unknown: str) -> SiteResponse:
    """Answer from a folder: 200, 301 to a folder's own address, 304, 403, 404, 405.

    The body of what is no success is empty: each server has its own words. `unknown` is the
    content type of files without a known ending; empty for none.
    """
    if request.method not in ("GET", "HEAD", "POST"):
        return SiteResponse(405)
    path = _inside(query.unquote(request.path))
    if path is None:
        return SiteResponse(400)
    name = root + path
    try:
        about = os.stat(name)
        if stat.S_ISDIR(about.st_mode):
            if not request.path.endswith("/"):
                return SiteResponse(301, [("Location", _moved(request))])
            name, folder = f"{name.rstrip('/')}/index.html", name
            about = _index(name, folder)
        if not stat.S_ISREG(about.st_mode):
            return SiteResponse(404)
        if request.method == "POST":
            return SiteResponse(405)  # asked of what is there: what is not is 404 for POST too
        with open(name, "rb") as file:
            content = file.read()
    except PermissionError:
        return SiteResponse(403)
    except OSError:
        return SiteResponse(404)
    return _answer(request, name, about, content, unknown)


def _index(name: str, folder: str) -> os.stat_result:
    """Return what the folder's index is. Raises PermissionError if it has none: neither server
    lists folders by itself."""
    try:
        return os.stat(name)
    except FileNotFoundError as error:
        raise PermissionError(folder) from error


def _answer(
    request: SiteRequest, name: str, about: os.stat_result, content: bytes, unknown: str
) -> SiteResponse:
    etag = f'"{int(about.st_mtime):x}-{about.st_size:x}"'
    changed = http_date(about.st_mtime)
    headers = [("Last-Modified", changed), ("ETag", etag)]
    known = request.header("if-none-match")
    if known == etag or (not known and request.header("if-modified-since") == changed):
        return SiteResponse(304, headers)
    kind = _TYPES.get(name.rsplit(".", 1)[-1].lower(), unknown)
    if kind:
        headers.insert(0, ("Content-Type", kind))
    return SiteResponse(200, [*headers, ("Accept-Ranges", "bytes")], content)


def _inside(path: str) -> str | None:
    """Return the path without `.` and `..`; None if it leads above the root."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if "\0" in path:
        return None
    return "/" + "/".join(parts)


def _moved(request: SiteRequest) -> str:
    at = f"?{request.query}" if request.query else ""
    return f"{request.scheme}://{request.header('host')}{request.path}/{at}"
