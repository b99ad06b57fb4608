"""A kubeconfig as kubectl reads it: which server, whom to trust, who asks."""

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from lateen.app.lab.lab import LabError
from lateen.base.jsonvalue import JsonView
from lateen.cli import exits


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster is reached, as one context says."""

    context: str
    host: str
    port: int
    path: str = ""
    """Before every request's path: clusters behind one address."""
    ca_pem: str = ""
    server_name: str = ""
    verify: bool = True
    token: str = ""
    certificate_pem: str = ""
    key_pem: str = ""

    def tls(self) -> ssl.SSLContext:
        """Return what a connection is made with. Raises OSError for keys that cannot be read."""
        made = ssl.create_default_context(cadata=self.ca_pem or None)
        if not self.verify:
            made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        if self.certificate_pem:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # made 0600
                file.write(f"{self.certificate_pem}\n{self.key_pem}\n")
                file.flush()
                made.load_cert_chain(file.name)
        return made


def read(name: str = "", context: str = "") -> Access:
    """Return a context of a kubeconfig: the file named, else KUBECONFIG's, else ~/.kube/config; the
    context named, else the current one. Raises LabError."""
    files = [name] if name else os.environ.get("KUBECONFIG", "").split(os.pathsep)
    paths = [Path(each) for each in files if each] or [Path.home() / ".kube" / "config"]
    merged = [(_load(path), path.parent) for path in paths if path.exists()]
    if not merged:
        raise LabError(f"{paths[0]}: no such kubeconfig: name one by --kubeconfig", exits.USAGE)
    chosen = context or next(
        (str(body["current-context"]) for body, _ in merged if body.get("current-context")), ""
    )
    if not chosen:
        raise LabError(f"{paths[0]} has no current context: name one by --context", exits.USAGE)
    found, _ = _entry(merged, "contexts", "context", chosen)
    cluster, beside = _entry(merged, "clusters", "cluster", str(found.get("cluster", "")))
    user: JsonView = {}
    home = beside
    if found.get("user"):
        user, home = _entry(merged, "users", "user", str(found["user"]))
    return _access(chosen, cluster, beside, user, home)


def _load(path: Path) -> JsonView:
    import yaml

    try:
        body = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LabError(f"{path} is no kubeconfig: {error}", exits.UNPARSABLE) from error
    if not isinstance(body, Mapping):
        raise LabError(f"{path} is no kubeconfig", exits.UNPARSABLE)
    return body


def _entry(
    merged: Sequence[tuple[JsonView, Path]], key: str, inner: str, name: str
) -> tuple[JsonView, Path]:
    """Return a named entry of the first file that has it, and that file's folder."""
    known: list[str] = []
    for body, folder in merged:
        for each in body.get(key) or ():
            if each.get("name") == name:
                return each.get(inner) or {}, folder
            known.append(str(each.get("name")))
    listed = ", ".join(known) or "none"
    raise LabError(f"the kubeconfig has no {inner} {name!r}: it has {listed}", exits.USAGE)


def _access(name: str, cluster: JsonView, beside: Path, user: JsonView, home: Path) -> Access:
    server = urlsplit(str(cluster.get("server", "")))
    if server.scheme != "https" or not server.hostname:
        raise LabError(
            f"context {name}: server {cluster.get('server')!r} is no https URL", exits.USAGE
        )
    token = str(user.get("token") or "") or _file(user, "tokenFile", home).strip()
    certificate = _data(user, "client-certificate", home)
    key = _data(user, "client-key", home)
    if user.get("exec"):
        told = _told(user["exec"], home)
        token = str(told.get("token") or token)
        certificate = str(told.get("clientCertificateData") or certificate)
        key = str(told.get("clientKeyData") or key)
    return Access(
        context=name,
        host=server.hostname,
        port=server.port or 443,
        path=server.path.rstrip("/"),
        ca_pem=_data(cluster, "certificate-authority", beside),
        server_name=str(cluster.get("tls-server-name") or ""),
        verify=not cluster.get("insecure-skip-tls-verify"),
        token=token,
        certificate_pem=certificate,
        key_pem=key,
    )


def _data(entry: JsonView, key: str, folder: Path) -> str:
    """Return what stands in the entry itself (`KEY-data`), or in the file that it names."""
    if entry.get(f"{key}-data"):
        return base64.b64decode(str(entry[f"{key}-data"])).decode()
    return _file(entry, key, folder)


def _file(entry: JsonView, key: str, folder: Path) -> str:
    return (folder / str(entry[key])).read_text() if entry.get(key) else ""


def _told(plugin: JsonView, folder: Path) -> JsonView:
    """Run a credential plugin, as kubectl does. Raises LabError."""
    command = str(plugin.get("command", ""))
    if "/" in command and not command.startswith("/"):
        command = str(folder / command)
    given = {str(e["name"]): str(e["value"]) for e in plugin.get("env") or ()}
    request = {
        "apiVersion": plugin.get("apiVersion"),
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    words = [command, *(str(word) for word in plugin.get("args") or ())]
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **given, "KUBERNETES_EXEC_INFO": json.dumps(request)},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        hint = str(plugin.get("installHint") or "").strip()
        raise LabError(f"{command}: {error.strerror}. {hint}".strip(), exits.FAILED) from error
    if done.returncode:
        raise LabError(f"{command} gave no credentials: {done.stderr.strip()}", exits.FAILED)
    try:
        status: JsonView = json.loads(done.stdout)["status"]
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(f"{command} printed no ExecCredential", exits.FAILED) from error
    return status
