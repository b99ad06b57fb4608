"""Sessions with two real kubectls, as root and as an ordinary user: kubectl_sessions.py."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.kubectl_sessions import SESSIONS
from tests.e2e.labs import USERS, Lab
from tests.e2e.shells import Case, Shell

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=USERS)
def lab(make_lab: Callable[..., Lab], request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab with nothing but its gateway."""
    made = make_lab("sessions", ordinary=request.param)
    made.ok("up")
    yield made
    made.ok("down")


@pytest.mark.parametrize("version", ["kubectl-1.37", "kubectl-1.32"])
@pytest.mark.parametrize("cases", SESSIONS.values(), ids=SESSIONS)
def test_session(lab: Lab, version: str, cases: tuple[Case, ...]) -> None:
    """Run a session's lines in a directory and a namespace of their own."""
    number = list(SESSIONS.values()).index(cases)
    name = f"session-{number}-{version[-2:]}"
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
    for case in cases:
        shell.run(case)
