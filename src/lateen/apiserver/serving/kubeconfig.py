"""The kubeconfig file of a lab: readable by its owner only."""

import base64
import os
from pathlib import Path


def content(
    *, name: str, server: str, ca_pem: bytes, token: str, namespace: str = "default"
) -> str:
    """Return the YAML of a kubeconfig with one cluster, user and context, all called `name`."""
    return _TEMPLATE.format(
        name=name,
        server=server,
        ca=base64.b64encode(ca_pem).decode(),
        token=token,
        namespace=namespace,
    )


_TEMPLATE = """\
apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: {name}
  user:
    token: {token}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
    namespace: {namespace}
current-context: {name}
preferences: {{}}
"""
"""Plain scalars all: a lab's name, an address, base64 and hexadecimal digits."""


def write(path: Path, text: str) -> None:
    """Replace the file at once, mode 0600. Raises OSError."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
    fresh.replace(path)
