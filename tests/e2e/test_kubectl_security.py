"""Who may do what: the lab's owner, another user of the machine, a pod."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import programs
from tests.e2e.labs import KUBECTLS, ORDINARY, USERS, Lab, as_ordinary_user

pytestmark = pytest.mark.e2e

STRANGER = ORDINARY + 1
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
PODS = """\
apiVersion: v1
kind: Pod
metadata: {name: meshed}
spec:
  containers:
  - {name: app, image: curlimages/curl, command: [sleep, "3600"]}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, labels: {sidecar.istio.io/inject: "false"}}
spec:
  containers:
  - {name: app, image: curlimages/curl, command: [sleep, "3600"]}
"""
OPEN_ALL = """\
import os, socket, stat, sys
for path in sys.stdin.read().splitlines():
    try:
        if path.endswith(".sock"):
            socket.socket(socket.AF_UNIX).connect(path)
        else:
            open(path, "rb").close()
    except OSError:
        continue
    print(path)
"""


@pytest.fixture(scope="module", params=USERS)
def lab(request: pytest.FixtureRequest, make_lab: Callable[..., Lab]) -> Iterator[Lab]:
    """A lab with two pods, in a directory that everybody may enter."""
    made = make_lab("guarded", ordinary=request.param)
    made.home.chmod(0o755)
    made.ok("up")
    made.ok("apply", "-f", "-", stdin=PODS)
    ready = made.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s")
    assert ready.returncode == 0, ready.stderr + made.logs()
    yield made
    made.ok("down")


def needs_another_user(lab: Lab) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")


def as_stranger(argv: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program as a user that has nothing to do with the lab."""
    command = [part.replace(str(ORDINARY), str(STRANGER)) for part in as_ordinary_user(argv)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30)


def kubeconfig(lab: Lab) -> Any:
    return yaml.safe_load(Path(lab.env["KUBECONFIG"]).read_text())


def server(lab: Lab) -> str:
    return str(kubeconfig(lab)["clusters"][0]["cluster"]["server"])


def token(lab: Lab) -> str:
    return str(kubeconfig(lab)["users"][0]["user"]["token"])


def kubectl(lab: Lab, *args: str, version: str = KUBECTLS[0]) -> str:
    done = lab.kubectl(*args, version=version)
    assert done.returncode == 0, f"{args}: {done.stderr}"
    return str(done.stdout)


def in_pod(lab: Lab, pod: str, script: str, container: str = "app") -> str:
    """Run a script in a container; its output and errors come together, its end is not judged."""
    done = lab.kubectl("exec", pod, "-c", container, "--", "sh", "-c", f"exec 2>&1; {script}")
    return str(done.stdout)


@pytest.mark.parametrize("path", ["/api/v1/secrets", "/openapi/v2", "/lateen/v1/status", "/api"])
@pytest.mark.parametrize("header", ["", "Authorization: Bearer guess", "Authorization: Basic YTph"])
def test_another_user_gets_401(lab: Lab, path: str, header: str) -> None:
    asked = as_stranger if os.getuid() == 0 else lambda argv: lab.run(*argv)
    code = [
        programs.require("curl"),
        "-sk",
        "-m",
        "10",
        "-w",
        "\n%{http_code}",
        "-H",
        header,
        server(lab) + path,
    ]
    body, _, status = asked(code).stdout.rpartition("\n")
    assert status == "401"
    assert json.loads(body)["reason"] == "Unauthorized"


def test_another_user_opens_no_file_and_no_socket(lab: Lab) -> None:
    needs_another_user(lab)
    every = [
        str(path)
        for path in sorted(lab.home.rglob("*"))
        if (mode := path.lstat().st_mode) and (stat.S_ISREG(mode) or stat.S_ISSOCK(mode))
    ]
    names = {Path(path).name for path in every}
    told = {"store.db", "kubeconfig", "admin.token", "agent.token", "api.key", "0.log", "plane.log"}
    assert names >= told | {"api.sock", "shim.sock", "xds.sock"}
    assert [path for path in every if "/ca/" in path]
    opened = as_stranger([sys.executable, "-c", OPEN_ALL], "\n".join([*every, "/etc/hostname"]))
    assert opened.stdout.split() == ["/etc/hostname"], opened.stderr


def test_only_the_owner_has_rights_to_what_is_secret(lab: Lab) -> None:
    secret = [path for path in lab.home.rglob("*") if path.is_socket() or path.suffix == ".key"]
    secret += [Path(lab.env["KUBECONFIG"]), *lab.home.rglob("*.token")]
    assert len(secret) > 6
    # Envoy makes its own sockets; the directory keeps others out.
    loose = {path.name: oct(path.stat().st_mode) for path in secret if path.stat().st_mode & 0o077}
    assert not loose


def test_no_command_line_shows_a_token(lab: Lab) -> None:
    tokens = {path.read_text().strip() for path in lab.home.rglob("*.token")}
    lines = lab.processes()
    assert len(tokens) == 2
    assert len(lines) >= 4
    assert not [words for words in lines.values() if any(t in " ".join(words) for t in tokens)]


def test_the_control_plane_listens_at_the_loopback_only(lab: Lab) -> None:
    (plane,) = [pid for pid, words in lab.processes().items() if "lateen.app.plane" in words]
    inodes = set()
    for descriptor in Path(f"/proc/{plane}/fd").iterdir():
        try:
            inodes.add(os.readlink(descriptor))
        except OSError:
            continue
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    rows += [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    listening = {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}
    assert listening
    assert {address.partition(":")[0] for address in listening} == {"0100007F"}


@pytest.mark.parametrize("container", ["app", "istio-proxy"])
def test_a_pod_sees_neither_keys_nor_sockets_nor_processes(lab: Lab, container: str) -> None:
    for secret in (Path(lab.env["KUBECONFIG"]), *lab.home.rglob("*.token")):
        assert "No such file" in in_pod(lab, "meshed", f"cat {secret}", container)
    skip = r"\( -path /proc -o -path /sys \) -prune -o"
    sockets = in_pod(lab, "meshed", f"find / {skip} -type s -print 2>/dev/null", container)
    own = ["xds.sock"] if container == "istio-proxy" else []
    assert [Path(line).name for line in sockets.split()] == own
    seen = in_pod(lab, "meshed", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", container)
    assert "lateen.node.shim.init" not in seen
    assert "lateen.app" not in seen
    assert ("sleep 3600" in seen) == (container == "app")


def test_a_service_accounts_token_is_that_account(lab: Lab) -> None:
    if kubectl(lab, "get", "sa", "-o", "name").count("robot") == 0:
        kubectl(lab, "create", "serviceaccount", "robot")
    given = kubectl(lab, "create", "token", "robot", version=lab.version).strip()
    asked = ("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    who = kubectl(lab, "--token", given, *asked, version=lab.version)
    assert who == "system:serviceaccount:default:robot"
    assert kubectl(lab, *asked, version=lab.version) == "kubernetes-admin"
    changed = given[:-4] + ("AAAA" if given[-4:] != "AAAA" else "BBBB")
    for wrong in ("guess", changed):
        refused = lab.kubectl("--token", wrong, "get", "pods", version=lab.version)
        assert refused.returncode == 1
        assert "You must be logged in to the server" in refused.stderr


@pytest.mark.parametrize("pod", ["meshed", "bare"])
@pytest.mark.parametrize("host", ["kubernetes.default.svc", "$KUBERNETES_SERVICE_HOST"])
def test_a_pod_reaches_the_api_server_as_its_account(lab: Lab, pod: str, host: str) -> None:
    url = f"https://{host}/apis/authentication.k8s.io/v1/selfsubjectreviews"
    body = '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
    ask = (
        f"curl -sS -m 10 --cacert {ACCOUNT}/ca.crt -H 'content-type: application/json' -d '{body}'"
    )
    told = json.loads(
        in_pod(lab, pod, f'{ask} -H "Authorization: Bearer $(cat {ACCOUNT}/token)" {url}')
    )
    assert told["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"
    refused = json.loads(in_pod(lab, pod, f"{ask} {url}"))
    assert refused["code"] == 401


def test_a_pod_finds_the_keys_of_its_token(lab: Lab) -> None:
    authorized = f'-H "Authorization: Bearer $(cat {ACCOUNT}/token)"'
    ask = f"curl -sS -m 10 --cacert {ACCOUNT}/ca.crt {authorized} https://kubernetes.default.svc"
    told = json.loads(in_pod(lab, "bare", f"{ask}/.well-known/openid-configuration"))
    assert told["issuer"] == "https://kubernetes.default.svc.cluster.local"
    assert told["jwks_uri"] == "https://kubernetes.default.svc/openid/v1/jwks"
    (key,) = json.loads(in_pod(lab, "bare", f"{ask}/openid/v1/jwks"))["keys"]
    assert key["alg"] == "ES256"


def test_a_deleted_account_takes_its_tokens_along(lab: Lab) -> None:
    kubectl(lab, "create", "serviceaccount", "gone", version=lab.version)
    given = kubectl(lab, "create", "token", "gone", version=lab.version).strip()
    who = ("--token", given, "auth", "whoami")
    assert "system:serviceaccount:default:gone" in kubectl(lab, *who, version=lab.version)
    kubectl(lab, "delete", "serviceaccount", "gone", version=lab.version)
    refused = lab.kubectl(*who, version=lab.version)
    assert refused.returncode == 1
    assert (
        "You must be logged in to the server" in refused.stderr
        or "provide credentials" in refused.stderr
    )


def test_a_pods_account_may_what_roles_grant(lab: Lab) -> None:
    url = "https://kubernetes.default.svc/api/v1/namespaces/default/pods"
    authorized = f'-H "Authorization: Bearer $(cat {ACCOUNT}/token)"'
    ask = f"curl -sS -m 10 --cacert {ACCOUNT}/ca.crt {authorized} {url}"
    account = "system:serviceaccount:default:default"
    can = ("auth", "can-i", "list", "pods", "--as", account)
    refused = json.loads(in_pod(lab, "bare", ask))
    assert (refused["code"], refused["message"]) == (
        403,
        f'pods is forbidden: User "{account}" cannot list resource "pods" in API group "" '
        'in the namespace "default"',
    )
    assert lab.kubectl(*can, version=lab.version).stdout.strip() == "no"
    bind = ("create", "rolebinding", "seeing", "--clusterrole=view")
    kubectl(lab, *bind, "--serviceaccount=default:default", version=lab.version)
    assert json.loads(in_pod(lab, "bare", ask))["kind"] == "PodList"
    assert kubectl(lab, *can, version=lab.version).strip() == "yes"
    listed = kubectl(lab, "auth", "can-i", "--list", "--as", account, version=lab.version)
    assert "pods/log" in listed
    kubectl(lab, "delete", "rolebinding", "seeing", version=lab.version)
    assert json.loads(in_pod(lab, "bare", ask))["code"] == 403


def test_the_service_kubernetes_is_a_clusters(lab: Lab) -> None:
    row = kubectl(lab, "get", "service", "kubernetes", "--no-headers").split()
    assert row[:5] == ["kubernetes", "ClusterIP", "10.96.0.1", "<none>", "443/TCP"]
    ends = kubectl(lab, "get", "endpoints", "kubernetes", "--no-headers").split()
    assert ends[:2] == ["kubernetes", "10.244.0.1:6443"]


def test_requests_are_answered_with_the_lab_owners_rights_only_by_its_token(lab: Lab) -> None:
    """The kubeconfig's token is the owner's; nothing else that the lab wrote is."""
    answer = lab.run(
        "curl", "-sk", "-H", f"Authorization: Bearer {token(lab)}", f"{server(lab)}/api"
    )
    assert json.loads(answer.stdout)["kind"] == "APIVersions"
