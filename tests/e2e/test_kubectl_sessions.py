"""Sessions with two real kubectls, one as root and one as an ordinary user: kubectl_sessions.py."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.e2e.kubectl_pods import AS_ROOT, AS_USER, PODS
from tests.e2e.kubectl_sessions import SESSIONS
from tests.e2e.labs import ORDINARY, USERS, Lab
from tests.e2e.shells import Shell

pytestmark = pytest.mark.e2e

ALL = {**SESSIONS, **PODS, **AS_ROOT, **AS_USER}
NEEDS = {
    "secrets and services of every type": "openssl",
    "through a proxy": "curl",
    "a running pod is debugged": "nginx",
    "a copy of a pod is debugged": "nginx",
    "containers that share their processes": "nginx",
}
"""The program of the machine that a session uses, or whose processes it looks at."""


def space(title: str) -> str:
    """Return the namespace of a session."""
    return f"session-{list(ALL).index(title)}"


@pytest.fixture(scope="module", params=USERS)
def lab(make_lab: Callable[..., Lab], request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab with nothing but its gateway, and a namespace without sidecars for every session."""
    made = make_lab("sessions", ordinary=request.param)
    made.ok("up")
    labels = "labels: {istio-injection: disabled}"
    spaces = [
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space(title)}, {labels}}}\n"
        for title in ALL
    ]
    made.ok("apply", "-f", "-", stdin="---\n".join(spaces))
    yield made
    made.ok("down")


@pytest.mark.parametrize("title", ALL)
def test_session(lab: Lab, title: str) -> None:
    """Run a session's lines in a directory and a namespace of their own."""
    if title in (AS_ROOT if lab.ordinary or os.getuid() else AS_USER):
        pytest.skip("another user's")
    if title in NEEDS:
        programs.require(NEEDS[title])
    name = space(title)
    folder = lab.home / name
    folder.mkdir(mode=0o700)
    config = folder / "kubeconfig"
    text = Path(lab.env["KUBECONFIG"]).read_text()
    config.write_text(text.replace("namespace: default", f"namespace: {name}"))
    config.chmod(0o600)
    if lab.ordinary:
        os.chown(folder, ORDINARY, ORDINARY)
        os.chown(config, ORDINARY, ORDINARY)
    shell = Shell(lab, lab.version, {"KUBECONFIG": str(config), "NAMESPACE": name}, folder)
    for case in ALL[title]:
        shell.run(case)
