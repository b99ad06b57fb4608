"""What a person gets wrong, each with its message and exit code."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import programs
from tests.e2e.interpreters import late_interpreter
from tests.e2e.labs import ROOT, WALKTHROUGH, Lab, as_ordinary_user

pytestmark = pytest.mark.e2e

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="sets the scene as root")


@dataclass(frozen=True)
class Offline:
    """A manifest that is refused before anything is started or sent."""

    text: str
    says: tuple[str, ...]
    """Parts of one message; `FILE` stands for the file's path."""


OFFLINE = {
    "not-yaml": Offline(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n spec: {\n",
        ("FILE:5:2: ", "Check the indentation"),
    ),
    "unknown-kind": Offline(
        "apiVersion: networking.istio.io/v1\nkind: VirtualServices\nmetadata: {name: a}\n",
        ("FILE:1: unknown kind VirtualServices", "did you mean VirtualService?"),
    ),
    "kind-of-another-group": Offline(
        "apiVersion: security.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n",
        ("FILE:1: no kind VirtualService in security.istio.io/v1", "networking.istio.io/v1"),
    ),
    "no-kind": Offline("metadata: {name: a}\n", ("FILE:1: apiVersion and kind not set",)),
    "metadata-is-a-text": Offline(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: hello\n", ("FILE:3: metadata", "[LTN0003]")
    ),
    "no-metadata": Offline(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n",
        ("FILE:3: metadata.name: Required value", "[IST0106]"),
    ),
    "generate-name": Offline(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n",
        ("FILE:1: ConfigMap has only a generateName", "name it"),
    ),
    "unknown-field": Offline(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
        "spec:\n  hosts: [web]\n  http:\n  - timeoutt: 3s\n"
        "    route:\n    - destination: {host: web}\n",
        ("FILE:7: spec.http[0].timeoutt", "unknown field", 'Did you mean "timeout"?', "[LTN0002]"),
    ),
    "unknown-field-of-a-role": Offline(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules:\n"
        "- verbs: [get]\n  apiGroups: ['']\n  resource: [pods]\n",
        ("FILE:7: rules[0].resource", "unknown field", 'Did you mean "resources"?', "[LTN0002]"),
    ),
    "unknown-field-of-a-claim": Offline(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec:\n"
        "  volumeClaimTemplates:\n  - spec:\n      accessMode: [ReadWriteOnce]\n",
        ("FILE:7: spec.volumeClaimTemplates[0].spec.accessMode", 'mean "accessModes"?'),
    ),
    "wrong-enum": Offline(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n"
        "spec:\n  mtls:\n    mode: STRCT\n",
        ("FILE:6: spec.mtls.mode", "supported values", 'Did you mean "STRICT"?'),
    ),
    "wrong-type": Offline(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: two\n",
        ("FILE:5: spec.replicas",),
    ),
    "required": Offline(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n"
        "  selector: {matchLabels: {app: a}}\n"
        "  template:\n    metadata: {labels: {app: a}}\n    spec:\n      containers:\n"
        "      - image: nginx\n",
        ("FILE:10: spec.template.spec.containers[0].name", "Required value"),
    ),
    "value": Offline(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
        "spec:\n  hosts: [web]\n  http:\n  - route:\n    - destination: {host: web}\n"
        "      weight: -5\n",
        ("FILE:9: spec.http[0].route[0].weight", "-5", "[IST0106]"),
    ),
    "duplicate": Offline(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        ("FILE:5: ConfigMap default/a is already defined at FILE:1", "remove one"),
    ),
}


def test_an_istio_version_that_is_not_modelled(make_lab: Callable[..., Lab]) -> None:
    done = make_lab("offline").lateen("up", "--istio", "9.9", "-", stdin="")
    assert done.returncode == 64
    assert "--istio: Istio version '9.9' is not modelled: use one from 1.15 to" in done.stderr


@pytest.mark.parametrize("case", OFFLINE.values(), ids=OFFLINE.keys())
def test_a_bad_manifest_is_refused_before_anything_starts(
    case: Offline, tmp_path: Path, make_lab: Callable[..., Lab]
) -> None:
    lab = make_lab("offline")
    file = tmp_path / "bad.yaml"
    file.write_text(case.text)
    done = lab.lateen("up", str(file))
    assert done.returncode == 65, done.stderr
    wanted = [part.replace("FILE", str(file)) for part in case.says]
    assert any(all(part in line for part in wanted) for line in done.stderr.splitlines()), (
        done.stderr
    )
    assert "nothing was applied" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(lab.home.iterdir()), "something was started"


@pytest.fixture(scope="module")
def running(make_lab: Callable[..., Lab]) -> Lab:
    """A lab with nothing but the gateway."""
    lab = make_lab("bad")
    lab.ok("up")
    return lab


_GATEWAY = (
    "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\nspec:\n"
    "  selector: {{istio: {selector}}}\n  servers:\n"
    '  - port: {{number: 80, name: p, protocol: {protocol}}}\n    hosts: ["*"]\n'
)
ONLINE = {
    "gateway-port-taken": (
        _GATEWAY.format(name="first", selector="ingressgateway", protocol="HTTP")
        + "---\n"
        + _GATEWAY.format(name="second", selector="ingressgateway", protocol="TCP"),
        ("[LTN0020]", "Gateway default/second FILE:16", "default/first", "plaintext HTTP"),
        "spec.servers[0]: Give one of them another port",
    ),
    "missing-subset": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
        "spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80}]}\n---\n"
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n"
        "  hosts: [web]\n  http:\n  - route:\n    - destination:\n        host: web\n"
        "        subset: v2\n",
        ("[IST0101]", "VirtualService default/a FILE:15", 'web with the subset "v2"'),
        "spec.http[0].route[0].destination.subset: ",
    ),
    "gateway-selects-nobody": (
        _GATEWAY.format(name="lost", selector="egress", protocol="HTTP"),
        ("[IST0101]", "Gateway default/lost FILE:5", "istio=egress"),
        "spec.selector: ",
    ),
    "policy-selects-nobody": (
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec:\n"
        "  selector:\n    matchLabels: {app: nobody}\n  mtls: {mode: STRICT}\n",
        ("[IST0127]", "PeerAuthentication default/a FILE:6", "app=nobody"),
        "spec.selector.matchLabels: Correct the selector",
    ),
    "service-selects-nobody": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: none}\nspec:\n"
        "  selector: {app: nobody}\n  ports: [{name: http, port: 80}]\n",
        ("[IST0127]", "Service default/none FILE:5", "app=nobody"),
        "spec.selector: Correct the selector",
    ),
}


@pytest.mark.parametrize(("text", "says", "then"), ONLINE.values(), ids=ONLINE.keys())
def test_what_only_the_whole_mesh_shows_is_said_and_the_rest_is_served(
    running: Lab, tmp_path: Path, text: str, says: tuple[str, ...], then: str
) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(text)
    done = running.lateen("apply", "-f", str(file))
    lines = done.stderr.splitlines()
    wanted = [part.replace("FILE", str(file)) for part in says]
    found = [n for n, line in enumerate(lines) if all(part in line for part in wanted)]
    assert len(found) == 1, done.stderr
    assert lines[found[0] + 1].strip().startswith(then)
    assert done.returncode == 0, done.stderr
    gone = running.lateen("delete", "-f", str(file))
    assert gone.returncode == 0, gone.stderr
    assert not any(part in running.lateen("status").stdout for part in ("IST0", "LTN0"))


def test_nothing_to_apply_is_said(running: Lab) -> None:
    """As kubectl does: a pipe that broke before it is not a success."""
    done = running.lateen("apply", "-f", "-", stdin="---\n# nothing\n")
    assert done.returncode == 1
    assert "no objects passed to apply" in done.stderr


def test_an_unknown_image_is_told_how_to_be_mapped(running: Lab, tmp_path: Path) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: odd}\n"
        "spec: {containers: [{name: odd, image: example.com/odd:1}]}\n"
    )
    began = time.monotonic()
    done = running.lateen("apply", "-f", str(file), "--timeout", "30")
    assert time.monotonic() - began < 15, "it waited for what cannot come"
    assert done.returncode == 1
    assert "pod default/odd: ErrImagePull" in done.stderr
    assert "example.com/odd" in done.stderr
    assert "`images` in lateen.yaml" in done.stderr
    pods = running.ok("get", "pods", "odd")
    assert "ErrImagePull" in pods or "ImagePullBackOff" in pods
    running.ok("delete", "-f", str(file))


def test_the_api_server_refuses_what_istio_refuses(running: Lab, tmp_path: Path) -> None:
    """Also from who did not ask the command line, in a webhook's words."""
    file = tmp_path / "vs.yaml"
    file.write_text(OFFLINE["value"].text)
    done = running.kubectl("apply", "-f", str(file))
    assert done.returncode == 1
    assert 'admission webhook "validation.istio.io" denied the request' in done.stderr
    assert "configuration is invalid: weight -5" in done.stderr
    assert running.lateen("get", "virtualservices", "a").returncode == 1


def test_a_second_up_of_the_same_lab_names_the_three_ways_on(running: Lab) -> None:
    done = running.lateen("up", str(WALKTHROUGH))
    assert done.returncode == 1
    for part in ("is up already", "lateen apply -f", "lateen down", "--lab OTHER"):
        assert part in done.stderr
    assert running.lateen("status", "--exit-code").returncode == 0, "the running lab was harmed"


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of 127.0.0.1 on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_api_port_is_named(make_lab: Callable[..., Lab], taken_port: int) -> None:
    lab = make_lab("port")
    done = lab.lateen("up", "--api-port", str(taken_port), timeout=15)
    assert done.returncode == 1
    assert f"port {taken_port} of 127.0.0.1" in done.stderr
    assert "--api-port" in done.stderr
    assert not list(lab.home.iterdir())


@pytest.mark.parametrize("ordinary", [False, True], ids=["root", "user"])
def test_ports_in_use_on_the_host_do_not_stop_the_gateway(
    make_lab: Callable[..., Lab], ordinary: bool
) -> None:
    """A root's gateway has an address of its own; a user's takes another port, and says which."""
    if not ordinary and os.getuid() != 0:
        pytest.skip("not root")
    import json

    lab = make_lab("used", ordinary=ordinary)
    holders = []
    for address in [("0.0.0.0", 8080 if ordinary else 80)]:
        try:
            holders.append(socket.create_server(address))
        except OSError:
            continue  # in use by somebody else: just as good
    try:
        lab.ok("up", str(WALKTHROUGH), "--istio", "1.17")
        status = json.loads(lab.ok("status", "-o", "json"))
        url = next(u for u in status["gateways"][0]["urls"] if u.startswith("http:"))
        assert lab.fetch(f"{url}/http-mTLS") == (200, "<h2>Howdy</h2>\n")
        if ordinary and holders:
            assert not url.endswith(f":{holders[0].getsockname()[1]}")
    finally:
        for holder in holders:
            holder.close()
        lab.lateen("down")


@needs_root
@pytest.mark.parametrize("late", [False, True], ids=["at-once", "after-the-api-server"])
def test_a_kernel_that_forbids_user_namespaces_is_named(
    make_lab: Callable[..., Lab], late: bool
) -> None:
    """An ordinary user in a user namespace whose own limit is zero."""
    lab = make_lab("refused", ordinary=True)
    python = late_interpreter(lab.home) if late else sys.executable
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    up = as_ordinary_user([python, "-m", "lateen.cli.entry", "up"])
    with subprocess.Popen(
        ["unshare", "--user", "sh", "-c", 'read go && exec sh -c "$FORBID" sh "$@"', "sh", *up],
        env={**lab.env, "FORBID": forbid},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        ours, deadline = os.readlink("/proc/self/ns/user"), time.monotonic() + 10
        while os.readlink(f"/proc/{process.pid}/ns/user") == ours:
            assert time.monotonic() < deadline
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{process.pid}/{name}").write_text("0 0 65536")
        _, said = process.communicate("go\n", timeout=30)
    assert process.returncode == 1, said
    assert "user.max_user_namespaces is 0" in said
    assert "sudo sysctl -w user.max_user_namespaces=" in said
    assert "as root" in said
    assert not list(lab.home.glob("state/*")), "something was left"


def on_small_disk(lab: Lab, megabytes: float, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in which `lateen` is the command, with the lab's directory on a small disk."""
    mount = f'mount -t tmpfs -o size={int(megabytes * 1024)}k full "{lab.home}"'
    function = f'lateen() {{ "{sys.executable}" -m lateen.cli.entry "$@"; }}'
    return lab.run("unshare", "--mount", "sh", "-c", f"{mount}; {function}; {script}")


@needs_root
def test_a_full_disk_is_named_and_nothing_is_left(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab("full")
    script = f'lateen up "{WALKTHROUGH}"; echo code $?; ls -A "{lab.home}"'
    done = on_small_disk(lab, 0.3, script)
    assert done.stdout == "code 1\n"
    assert f"no space left for a lab in {lab.home}" in done.stderr
    assert "LATEEN_HOME" in done.stderr


@needs_root
def test_a_disk_that_fills_up_stops_writes_only(make_lab: Callable[..., Lab]) -> None:
    """What is refused names the file; the mesh goes on; with space again, so do writes. The death
    of the plane does not end the lab, though its supervisor cannot write that down."""
    programs.require("curl")
    lab = make_lab("fills")
    shop = f"{lab.home}/state/fills"
    script = f"""
        lateen up "{WALKTHROUGH}" --istio 1.17 >&2 || exit 1
        url=$(lateen status | sed -n 's/.*gateway.* \\(http:[^ ]*\\).*/\\1/p')
        dd if=/dev/zero of="{shop}/filler" bs=4k 2>/dev/null
        lateen apply -f "{WALKTHROUGH}/../full" 2>&1; echo code $?
        curl -sS -m 10 -w 'status %{{http_code}}\n' "$url/http-mTLS" 2>&1; answer=$?
        [ $answer = 0 ] || {{ echo "curl $answer"; lateen status; tail -n 20 "{shop}"/logs/*.log; }}
        read -r keeper <"{lab.home}/run/fills/supervisor.pid"
        read -r plane others <"/proc/$keeper/task/$keeper/children"
        kill -9 $plane; tail -f /dev/null --pid=$plane; lateen status; echo down $?
        rm "{shop}/filler"
        until lateen status >/dev/null 2>&1; do kill -0 $keeper || exit 1; done
        lateen apply -f "{WALKTHROUGH}/../full"; echo code $?
        lateen down >&2; ls -A "{lab.home}"
    """
    big = lab.home.parent / f"{lab.home.name}.yaml"
    text = "x" * 200_000
    big.write_text(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: big}}\ndata: {{x: {text}}}\n"
    )
    try:
        done = on_small_disk(lab, 6, script.replace(f"{WALKTHROUGH}/../full", str(big)))
    finally:
        big.unlink()
    said = done.stdout + done.stderr
    assert "InsufficientStorage" in done.stdout, said
    assert "store.db" in done.stdout
    assert "code 1\n<h2>Howdy</h2>\nstatus 200\n" in done.stdout, said
    assert "down 1\n" in done.stdout, said
    assert done.stdout.endswith("configmap/big created\ncode 0\n"), said


def test_a_python_too_old_is_named(tmp_path: Path) -> None:
    """`./run` with nothing but an old Python in reach."""
    old = tmp_path / "bin"
    old.mkdir()
    fake = old / "python3"
    fake.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.8.18" && exit 0\nexit 1\n')
    fake.chmod(0o755)
    for tool in ("sh", "uname", "dirname", "sed", "rm"):
        (old / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool}"))
    done = subprocess.run(
        [str(ROOT / "run"), "demo"],
        env={"PATH": str(old)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "found Python 3.8.18" in done.stderr
    assert "PYTHON=" in done.stderr


MOMENTS = (None, 0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.55, 0.7)
"""Seconds after the first message; None is before it."""


@pytest.mark.parametrize("ordinary", [False, True], ids=["root", "user"])
def test_an_interrupted_up_leaves_nothing(make_lab: Callable[..., Lab], ordinary: bool) -> None:
    """Ctrl-C at many moments of `up`: the exit code is 130 and no process or file stays."""
    if not ordinary and os.getuid() != 0:
        pytest.skip("not root")
    lab = make_lab("ctrlc", ordinary=ordinary)
    up = [sys.executable, "-m", "lateen.cli.entry", "up", str(WALKTHROUGH)]
    codes = []
    for moment in MOMENTS:
        code, said = interrupted(lab.command(*up), lab.env, moment)
        codes.append(code)
        if code == 0 or "lab ctrlc is up" in said:
            lab.ok("down")  # it was faster than the interruption
        assert "Traceback" not in said or moment is None, said  # the interpreter itself starts
        assert not lab_processes(lab.home), (moment, said)
        assert not [p for p in lab.home.rglob("*") if p.is_file()], (moment, said)
    assert codes.count(130) > 3, codes
    assert set(codes) <= {0, 130, -signal.SIGINT, 1}, codes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_an_up_that_is_asked_to_end_leaves_nothing(
    make_lab: Callable[..., Lab], number: signal.Signals
) -> None:
    """A time limit, or a terminal that is closed."""
    lab = make_lab("ended")
    up = [sys.executable, "-m", "lateen.cli.entry", "up", str(WALKTHROUGH)]
    code, said = interrupted(lab.command(*up), lab.env, 0.2, number)
    assert code == 128 + number, said
    assert not lab_processes(lab.home), said
    assert not [p for p in lab.home.rglob("*") if p.is_file()], said


def test_what_was_kept_outlives_an_up_that_is_refused(
    make_lab: Callable[..., Lab], tmp_path: Path
) -> None:
    lab = make_lab("kept")
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: precious}\n"
    lab.ok("up", "-", stdin=manifest)
    lab.ok("down", "--keep")
    done = lab.lateen("up", "-", stdin="nonsense: [")
    assert done.returncode == 65, done.stderr
    lab.ok("up")
    assert lab.ok("get", "cm", "precious", "-o", "name") == "configmap/precious\n"


def test_streams_that_are_closed(running: Lab) -> None:
    """Nobody reads the output, or there are no streams at all."""
    python = f"{sys.executable} -m lateen.cli.entry"
    for line, code in (
        ("get pods -A | true; echo ${PIPESTATUS[0]}", "0"),
        ("get pods -A -o json | head -c 1 >/dev/null; echo ${PIPESTATUS[0]}", "0"),
        ("version >&- 2>&-; echo $?", "0"),
        ("apply -f - <&-; echo $?", "1"),
        ("get pods -A >/dev/full; echo $?", "1"),
    ):
        done = running.run("bash", "-c", f"{python} {line}")
        assert done.stdout.split() == [code], (line, done.stdout, done.stderr)
        assert "fault in Lateen" not in done.stderr, (line, done.stderr)
        assert "Exception ignored" not in done.stderr, (line, done.stderr)


def interrupted(
    argv: list[str],
    env: dict[str, str],
    moment: float | None,
    number: signal.Signals = signal.SIGINT,
) -> tuple[int, str]:
    """Run a command, interrupt it, and return its exit code and what it said."""
    with subprocess.Popen(
        argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline() if moment is not None else ""
        try:
            process.wait(moment or 0.05)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        _, rest = process.communicate(timeout=30)
    return process.returncode, first + rest


def lab_processes(home: Path) -> list[str]:
    """Return the command lines of processes that name a lab's directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(home) in line:
            found.append(line)
    return found
