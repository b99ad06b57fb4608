"""The CLI's connection to a lab's API server: plain HTTP on its Unix socket, standard library.

The asynchronous client of the API server's room serves the agent; a command that runs once and ends
is faster without an event loop.
"""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

import msgspec

from lateen import __version__
from lateen.app.lab.lab import LabError, Running
from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.connection import answers
from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.model.labapi.contract import LabPath
from lateen.model.schema.kindinfo import KindInfo

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Reply(msgspec.Struct, frozen=True):
    """A decoded answer and its warnings (the `Warning` headers, unquoted)."""

    body: Any
    warnings: tuple[str, ...]


class NoAnswer(LabError):
    """The API server of a lab is not there, or ended while it answered."""


class Api:
    """Synchronous requests to one lab. Raises ApiError with the server's words, LabError when
    the server is not there."""

    def __init__(self, socket_path: Path, token_path: Path, *, timeout: float = 60.0) -> None:
        self._socket = socket_path
        self._token_path = token_path
        self._timeout = timeout
        self._connection: _UnixConnection | None = None
        self.version: str | None = None
        """Of the plane, once it has answered a path of the lab's own; empty if it does not say."""

    @classmethod
    def of(cls, running: Running) -> "Api":
        """Connect to a running lab."""
        return cls(running.paths.api_socket, running.paths.admin_token)

    @property
    def token(self) -> str:
        """The bearer token of the lab's owner. Raises LabError while there is none."""
        try:
            return self._token_path.read_text(encoding="ascii").strip()
        except FileNotFoundError as error:
            raise LabError("the API server of the lab is not ready yet: try again") from error

    def _send(
        self,
        connection: _UnixConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        try:
            connection.request(
                method, path, body, {"Authorization": f"Bearer {self.token}", **headers}
            )
            return connection.getresponse()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NoAnswer(
                "the API server of the lab does not answer; it is started again within seconds: "
                f"see {self._socket.parent} and `lateen status`"
            ) from error

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        accept: str = "application/json",
        content_type: str = "application/json",
    ) -> Reply:
        """Send one request and return the decoded JSON answer."""
        target = f"{path}?{urlencode(query)}" if query else path
        payload = None if body is None else msgspec.json.encode(body)
        headers = {"Accept": accept, **({"Content-Type": content_type} if payload else {})}
        fresh = self._connection is None
        connection = self._connection or _UnixConnection(str(self._socket), self._timeout)
        self._connection = connection
        try:
            response = self._send(connection, method, target, payload, headers)
            content = response.read()
        except (http.client.HTTPException, ConnectionError) as error:
            connection.close()
            self._connection = None
            if fresh:
                raise NoAnswer(
                    "the API server of the lab ended while it answered; it is started again "
                    "within seconds"
                ) from error
            return self.request(
                method, path, query=query, body=body, accept=accept, content_type=content_type
            )
        if not path.startswith(contract.ROOT):
            return _reply(response, content)
        return _reply(response, content, self._version(response))

    def ask(
        self, endpoint: LabPath, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """Return the answer of one of the lab's own paths, as its document."""
        return self.request(endpoint.method, endpoint.path, body=body, query=query).body

    def _version(self, response: http.client.HTTPResponse) -> str:
        """Return the version of the plane that answers; say once that it is not this command's."""
        theirs = response.getheader(contract.VERSION_HEADER) or ""
        if not theirs and response.status >= 500:
            return theirs  # what broke did not come to say who it is
        if theirs != __version__ and self.version is None:
            exits.complain(f"Warning: {answers.version_message(theirs)}")
        self.version = theirs
        return theirs

    def lines(
        self, path: str, query: Mapping[str, str] | None = None, accept: str = "*/*"
    ) -> Iterator[bytes]:
        """Stream an answer line by line, without a time limit between lines."""
        target = f"{path}?{urlencode(query)}" if query else path
        connection = _UnixConnection(str(self._socket), None)
        try:
            response = self._send(connection, "GET", target, None, {"Accept": accept})
            if response.status >= 400:
                _reply(response, response.read())
            if path.startswith(contract.ROOT):
                self._version(response)
            while line := response.readline():
                yield line
        except http.client.HTTPException as error:
            raise NoAnswer(
                "the API server of the lab ended while it answered; it is started again within "
                "seconds"
            ) from error
        finally:
            connection.close()


def _reply(response: http.client.HTTPResponse, content: bytes, theirs: str | None = None) -> Reply:
    """Return what was answered; `theirs` is the version of who did, for the lab's own paths."""
    warnings = tuple(
        _warning_text(value) for name, value in response.getheaders() if name.lower() == "warning"
    )
    try:
        body = None
        if content:
            body = json.loads(content) if theirs is None else answers.read(content, theirs)
    except ValueError:
        body = content.decode(errors="replace")
    if response.status >= 400:
        status = cast(Json, body) if isinstance(body, dict) else {"message": str(body or "")}
        raise ApiError(
            response.status,
            status.get("reason") or ("" if "kind" in status else _phrase(response.status)),
            status.get("message") or f"the server answered {response.status}",
            cast(Json, status.get("details") or {}),
        )
    return Reply(body, warnings)


def _phrase(code: int) -> str:
    return http.client.responses.get(code, "Unknown")


def _warning_text(value: str) -> str:
    quoted = value.split('"', 1)
    return quoted[1].rsplit('"', 1)[0].replace('\\"', '"') if len(quoted) == 2 else value


def collection_path(kind: KindInfo, namespace: str, api_version: str = "") -> str:
    """Return the URL path of a kind's collection; an empty namespace is all of them.

    `api_version` is one that the kind is served in, the storage version if empty.
    """
    root = f"/{'apis' if kind.group else 'api'}/{api_version or kind.api_version}"
    middle = f"/namespaces/{quote(namespace)}" if namespace and kind.namespaced else ""
    return f"{root}{middle}/{kind.plural}"


def object_path(kind: KindInfo, namespace: str, name: str, api_version: str = "") -> str:
    """Return the URL path of one object."""
    return f"{collection_path(kind, namespace, api_version)}/{quote(name)}"
