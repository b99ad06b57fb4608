"""Sessions with two real kubectls, as root and as an ordinary user: kubectl_sessions.py."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.kubectl_pods import AS_ROOT, AS_USER, PODS
from tests.e2e.kubectl_sessions import SESSIONS
from tests.e2e.labs import USERS, Lab
from tests.e2e.shells import Shell

pytestmark = pytest.mark.e2e

ALL = {**SESSIONS, **PODS, **AS_ROOT, **AS_USER}


@pytest.fixture(scope="module", params=USERS)
def lab(make_lab: Callable[..., Lab], request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab with nothing but its gateway."""
    made = make_lab("sessions", ordinary=request.param)
    made.ok("up")
    yield made
    made.ok("down")


@pytest.mark.parametrize("version", ["kubectl-1.37", "kubectl-1.32"])
@pytest.mark.parametrize("title", ALL)
def test_session(lab: Lab, version: str, title: str) -> None:
    """Run a session's lines in a directory and a namespace of their own."""
    if title in (AS_ROOT if lab.ordinary or os.getuid() else AS_USER):
        pytest.skip("another user's")
    name = f"session-{list(ALL).index(title)}-{version[-2:]}"
    opening = Shell(lab, version)
    opening(
        f"mkdir {name} && kubectl create namespace {name} && "
        f"kubectl label namespace {name} istio-injection=disabled && umask 077 && "
        f"sed 's/namespace: default/namespace: {name}/' $KUBECONFIG > {name}/kubeconfig"
    )
    folder = lab.home / name
    shell = Shell(
        lab, version, {"KUBECONFIG": str(folder / "kubeconfig"), "NAMESPACE": name}, folder
    )
    for case in ALL[title]:
        shell.run(case)
