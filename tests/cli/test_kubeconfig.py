"""Kubeconfigs as kubectl reads them, and the Istio version that a cluster tells."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from lateen.app.lab.lab import LabError
from lateen.cli.connection import kubeconfig
from lateen.cli.manifests import cluster

TOKEN = '#!/bin/sh\necho \'{"status": {"token": "from-plugin"}}\'\n'


def config(folder: Path, **user: Any) -> Path:
    """Write a kubeconfig with two contexts and one user."""
    (folder / "ca.pem").write_text("THE CA\n")
    body = {
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "near", "user": "me"}},
            {"name": "two", "context": {"cluster": "far", "user": "me"}},
            {"name": "three", "context": {"cluster": "gone", "user": "me"}},
        ],
        "clusters": [
            {
                "name": "near",
                "cluster": {"server": "https://a:6443", "certificate-authority": "ca.pem"},
            },
            {
                "name": "far",
                "cluster": {"server": "https://b/k8s/c/", "insecure-skip-tls-verify": True},
            },
        ],
        "users": [{"name": "me", "user": user}],
    }
    file = folder / "config"
    file.write_text(yaml.safe_dump(body))
    return file


def test_the_current_context_and_files_beside_it(tmp_path: Path) -> None:
    found = kubeconfig.read(str(config(tmp_path, token="t")))
    assert (found.host, found.port, found.token) == ("a", 6443, "t")
    assert found.ca_pem == "THE CA\n"
    assert found.verify


def test_another_context_behind_a_path(tmp_path: Path) -> None:
    found = kubeconfig.read(str(config(tmp_path)), "two")
    assert (found.host, found.port, found.path, found.verify) == ("b", 443, "/k8s/c", False)


def test_a_clients_certificate_in_the_file_itself(tmp_path: Path) -> None:
    data = base64.b64encode(b"PEM").decode()
    user = {"client-certificate-data": data, "client-key-data": data}
    found = kubeconfig.read(str(config(tmp_path, **user)))
    assert (found.certificate_pem, found.key_pem) == ("PEM", "PEM")


def test_a_credential_plugin_is_run(tmp_path: Path) -> None:
    plugin = tmp_path / "login"
    plugin.write_text(TOKEN)
    plugin.chmod(0o700)
    entry = {"command": "./login", "apiVersion": "client.authentication.k8s.io/v1"}
    assert kubeconfig.read(str(config(tmp_path, exec=entry))).token == "from-plugin"


@pytest.mark.parametrize(
    ("context", "word"),
    [("four", "has no context 'four': it has one, two, three"), ("three", "no cluster 'gone'")],
)
def test_what_is_not_there_is_named(tmp_path: Path, context: str, word: str) -> None:
    with pytest.raises(LabError, match=word):
        kubeconfig.read(str(config(tmp_path)), context)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("docker.io/istio/pilot:1.27.1", "1.27"),
        ("istio/pilot:1.20.3-distroless", "1.20"),
        ("localhost:5000/pilot@sha256:abc", ""),
        ("istio/pilot:latest", ""),
    ],
)
def test_the_version_is_the_control_planes(image: str, version: str) -> None:
    pod = {
        "kind": "Pod",
        "metadata": {"labels": {"app": "istiod"}},
        "spec": {"containers": [{"image": image}]},
    }
    assert cluster.version([pod]) == version


def test_secrets_are_never_asked_for() -> None:
    named = {info.resource for info in cluster.asked()}
    assert "secrets" not in named
    assert {"pods", "services", "deployments.apps"} <= named
    assert "virtualservices.networking.istio.io" in named
