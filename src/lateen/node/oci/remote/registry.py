"""A client of registries: the pulling half of the OCI distribution specification 1.1."""

import base64
import contextlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import urlencode, urljoin, urlsplit

import httpcore
import msgspec

from lateen.node.images.reference import Reference
from lateen.node.oci import documents
from lateen.node.oci.errors import ImageError
from lateen.node.oci.remote import challenge
from lateen.node.oci.remote.credentials import Credential, Credentials

_TRIES = 5
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
"""Seconds between tries: doubled each time, unless the registry says how long."""
_REDIRECTS = 5
_CONNECT, _READ = 15.0, 60.0
"""Seconds until a connection is there, and between two pieces of an answer."""
_LARGEST_WORDS = 1 << 16
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_PIECE = 1 << 18
_HUB_HOST = "registry-1.docker.io"
_FAILURES = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)

Headers = Sequence[tuple[str, str]]


class _Broken(Exception):
    """The connection ended, or the registry asks to come again: worth another try."""

    def __init__(self, words: str, wait: str = "") -> None:
        super().__init__(words)
        self.wait = wait


class Resolved(msgspec.Struct, frozen=True):
    """A manifest as a registry has it under a name."""

    data: bytes
    digest: str
    media_type: str


class Registry:
    """One registry as one person sees it. Close it when done.

    `rest` waits the seconds that it is given; tests hand in another. `mirrors` are hosts that are
    asked before the registry itself.
    """

    def __init__(
        self,
        image: Reference,
        credentials: Credentials,
        rest: Callable[[float], None],
        *,
        host: str = "",
    ) -> None:
        self._image = image
        self._host = host or (_HUB_HOST if image.registry == "docker.io" else image.registry)
        self._credentials = credentials
        self._rest = rest
        self._schemes = ("https", "http") if loopback(self._host) else ("https",)
        self._authorization = ""
        self._asked: challenge.Challenge | None = None
        self._tls = ssl.create_default_context()

    def manifest(self, wanted: str) -> Resolved:
        """Return the manifest or index that a tag or digest stands for. Raises ImageError."""
        accepted = [("Accept", ", ".join(documents.ACCEPTED))]
        path = f"/v2/{self._image.repository}/manifests/{wanted}"
        data, headers = self._document(path, accepted)
        digest = documents.digest_of(data)
        if wanted.startswith("sha256:") and digest != wanted:
            raise ImageError(f"{self._host} sent another manifest than {wanted}: its is {digest}")
        return Resolved(data, digest, headers.get("content-type", "").partition(";")[0])

    def config(self, digest: str) -> bytes:
        """Return a configuration. Raises ImageError."""
        return self._document(f"/v2/{self._image.repository}/blobs/{digest}", ())[0]

    def blob(self, digest: str, start: int) -> Iterator[bytes]:
        """Yield a blob's pieces from a byte on; after a broken connection the rest is asked for,
        and no piece comes twice. Raises ImageError."""
        path = f"/v2/{self._image.repository}/blobs/{digest}"
        count, tries = start, 0
        while True:
            before = count
            ranged = [("Range", f"bytes={count}-")] if count else []
            try:
                with self._open(path, ranged) as (status, _, pieces):
                    for piece in _after(pieces, count if status == 200 else 0):
                        count += len(piece)
                        yield piece
                return
            except _Broken as broken:
                tries = self._again(0 if count > before else tries, broken)

    def _document(self, path: str, headers: Headers) -> tuple[bytes, Mapping[str, str]]:
        tries = 0
        while True:
            try:
                with self._open(path, headers) as (_, found, pieces):
                    return _whole(pieces, documents.LARGEST, path), found
            except _Broken as broken:
                tries = self._again(tries, broken)

    def _again(self, tries: int, broken: _Broken) -> int:
        tries += 1
        if tries >= _TRIES:
            raise ImageError(f"{self._host}: {broken} ({_TRIES} tries)") from broken
        wait = min(_FIRST_WAIT * 2 ** (tries - 1), _LONGEST_WAIT)
        self._rest(challenge.wait(broken.wait, wait, _LONGEST_WAIT))
        return tries

    @contextlib.contextmanager
    def _open(
        self, path: str, headers: Headers
    ) -> Iterator[tuple[int, Mapping[str, str], Iterator[bytes]]]:
        """Ask, with a credential where one is wanted. Raises ImageError and _Broken."""
        refused = b""
        self._asked = None
        for attempt in self._attempts():
            with self._send(path, [*headers, *attempt]) as (status, found, pieces):
                if status in (200, 206):
                    yield status, found, pieces
                    return
                body = _whole(pieces, _LARGEST_WORDS, path)
                if status != 401:
                    self._raise(status, found, body)
                refused = body
                self._asked = challenge.parse(found.get("www-authenticate", ""))
        raise ImageError(f"{self._host} answered {challenge.words(401, refused)}")

    def _attempts(self) -> Iterator[Headers]:
        """Yield the headers to try, each only after the one before was refused."""
        yield [("Authorization", self._authorization)] if self._authorization else []
        asked = self._asked
        if asked is None:
            return
        known = self._credentials.of(self._image.registry, self._image.repository)
        for one in (*known, *(() if asked.scheme == "basic" else (None,))):
            authorization = _basic(one) if asked.scheme == "basic" else self._token(asked, one)
            if authorization:
                self._authorization = authorization
                yield [("Authorization", authorization)]
                self._authorization = ""

    def _token(self, asked: challenge.Challenge, one: Credential | None) -> str:
        if urlsplit(asked.realm).scheme not in self._schemes:
            raise ImageError(
                f"{self._host} sends to {asked.realm!r} for a token, which is no place"
            )
        scope = asked.scope or f"repository:{self._image.repository}:pull"
        query = {"scope": scope} | ({"service": asked.service} if asked.service else {})
        headers: Headers = []
        if one is not None and one.token:
            body = {"grant_type": "refresh_token", "client_id": "lateen", **query}
            body["refresh_token"] = one.token
            sent = _request(
                "POST",
                asked.realm,
                [("Content-Type", "application/x-www-form-urlencoded")],
                self._tls,
                urlencode(body).encode(),
            )
        else:
            headers = [("Authorization", _basic(one))] if one is not None else []
            joint = "&" if urlsplit(asked.realm).query else "?"
            sent = _request("GET", f"{asked.realm}{joint}{urlencode(query)}", headers, self._tls)
        with sent as (status, found, pieces):
            body_ = _whole(pieces, _LARGEST_WORDS, asked.realm)
            if status in _AGAIN:
                raise _Broken(challenge.words(status, body_), found.get("retry-after", ""))
            if status != 200:
                return ""  # this credential is none; the next one may be
            return _bearer(body_)

    @contextlib.contextmanager
    def _send(
        self, path: str, headers: Headers
    ) -> Iterator[tuple[int, Mapping[str, str], Iterator[bytes]]]:
        """Send over TLS; on loopback without where there is none. Raises _Broken, ImageError."""
        for scheme in self._schemes:
            try:
                with _followed(f"{scheme}://{self._host}{path}", headers, self._tls) as answer:
                    self._schemes = (scheme,)
                    yield answer
                    return
            except httpcore.ConnectError as error:
                if scheme != self._schemes[-1] and "SSL" in str(error).upper():
                    continue
                if isinstance(error.__cause__ or error.__context__, socket.gaierror):
                    raise ImageError(f"{self._host} has no address: {_words(error)}") from error
                raise _Broken(_words(error)) from error
            except _FAILURES as error:
                if scheme != self._schemes[-1]:
                    continue
                raise _Broken(_words(error)) from error

    def _raise(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        words = f"{self._host} answered {challenge.words(status, body)}"
        if status in _AGAIN:
            raise _Broken(challenge.words(status, body), headers.get("retry-after", ""))
        raise ImageError(words)


def loopback(host: str) -> bool:
    """Whether a registry's host is this machine: there it may speak without TLS."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _basic(one: Credential | None) -> str:
    if one is None or not one.user:
        return ""
    return "Basic " + base64.b64encode(f"{one.user}:{one.password}".encode()).decode()


def _bearer(body: bytes) -> str:
    try:
        raw = msgspec.json.decode(body)
        token = raw.get("token") or raw.get("access_token")
    except (msgspec.DecodeError, AttributeError):
        token = None
    return f"Bearer {token}" if token else ""


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _after(pieces: Iterator[bytes], skip: int) -> Iterator[bytes]:
    """Leave out the first bytes: of a registry that knows no ranges."""
    for piece in pieces:
        if skip >= len(piece):
            skip -= len(piece)
        else:
            yield piece[skip:]
            skip = 0


def _whole(pieces: Iterator[bytes], limit: int, what: str) -> bytes:
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) > limit:
            raise ImageError(f"{what} has more than {limit} bytes")
    return bytes(data)


@contextlib.contextmanager
def _followed(
    url: str, headers: Headers, tls: ssl.SSLContext
) -> Iterator[tuple[int, Mapping[str, str], Iterator[bytes]]]:
    """Send a GET and follow redirections; another host is told nothing of the credential."""
    for _ in range(_REDIRECTS):
        with _request("GET", url, headers, tls) as (status, found, pieces):
            if status not in (301, 302, 303, 307, 308) or "location" not in found:
                yield status, found, pieces
                return
            target = urljoin(url, found["location"])
        before, after = urlsplit(url), urlsplit(target)
        if after.scheme not in ("https", "http") or (
            after.scheme == "http" and before.scheme == "https" and not loopback(after.netloc)
        ):
            raise ImageError(f"{before.netloc} sends to {target!r}, which is not over TLS")
        if before.netloc != after.netloc:
            headers = [pair for pair in headers if pair[0] != "Authorization"]
        url = target
    raise ImageError(f"{urlsplit(url).netloc} sends on more than {_REDIRECTS} times")


@contextlib.contextmanager
def _request(
    method: str, url: str, headers: Headers, tls: ssl.SSLContext, body: bytes = b""
) -> Iterator[tuple[int, Mapping[str, str], Iterator[bytes]]]:
    given = [("Host", urlsplit(url).netloc), ("User-Agent", "lateen"), *headers]
    if body:
        given.append(("Content-Length", str(len(body))))
    limits = {"connect": _CONNECT, "read": _READ, "write": _READ, "pool": _CONNECT}
    with (
        _pool(url, tls) as pool,
        pool.stream(
            method, url, headers=given, content=body or None, extensions={"timeout": limits}
        ) as answer,
    ):
        found = {name.decode().lower(): value.decode("latin-1") for name, value in answer.headers}
        yield answer.status, found, _pieces(answer)


def _pieces(answer: httpcore.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_stream()
    except _FAILURES as error:
        raise _Broken(f"the connection ended in the answer ({_words(error)})") from error


def _pool(url: str, tls: ssl.SSLContext) -> httpcore.ConnectionPool:
    """Return a pool that goes through the proxy of HTTPS_PROXY where the host is not left out."""
    parts = urlsplit(url)
    proxy = "" if _direct(parts.hostname or "") else _variable(f"{parts.scheme}_proxy")
    if not proxy:
        return httpcore.ConnectionPool(ssl_context=tls)
    where = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    user = (where.username, where.password or "") if where.username else None
    address = f"{where.scheme}://{where.hostname}:{where.port or 8080}"
    return httpcore.HTTPProxy(address, proxy_auth=user, ssl_context=tls)


def _direct(host: str) -> bool:
    left_out = [one.strip().lstrip("*.") for one in _variable("no_proxy").split(",")]
    return loopback(host) or any(
        one and (host == one or host.endswith("." + one) or one == "*") for one in left_out
    )


def _variable(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.upper()) or ""
