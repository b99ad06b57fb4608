"""Attacks from inside a container, in a lab of root's and in an ordinary user's. See `attacks`."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import programs
from tests.e2e.attacked import ATTACKS, PYTHON, SECRET, Attacked
from tests.e2e.labs import ORDINARY, USERS, Lab

pytestmark = pytest.mark.e2e

TRIES = 12
RACE = """\
apiVersion: v1
kind: Pod
metadata: {{name: race, labels: {{sidecar.istio.io/inject: "false"}}}}
spec:
  restartPolicy: Always
  volumes: [{{name: v, emptyDir: {{}}}}]
  initContainers:
  - name: racer
    image: busybox
    restartPolicy: Always
    startupProbe: {{exec: {{command: [test, -e, /v/racing]}}, periodSeconds: 1}}
    command:
    - sh
    - -c
    - |
      mkdir -p /v/a && ln -sfn /.old{secret} /v/b && touch /v/a/mine
      cat > /tmp/attacks.py <<'END'
{source}
      END
      (sleep 0.5; touch /v/racing) &
      exec {python} /tmp/attacks.py exchange /v/a /v/b 50
    volumeMounts: [{{name: v, mountPath: /v}}]
  containers:
{victims}
"""
VICTIM = """\
  - name: c{number}
    image: busybox
    command: [sh, -c, "cat /m/key; echo written > /m/from-{number}; sleep 3600"]
    volumeMounts: [{{name: v, mountPath: /m, subPath: a}}]
"""
LINKED = """\
apiVersion: v1
kind: Pod
metadata: {{name: linked, labels: {{sidecar.istio.io/inject: "false"}}}}
spec:
  volumes: [{{name: v, emptyDir: {{}}}}, {{name: w, emptyDir: {{}}}}]
  initContainers:
  - name: first
    image: busybox
    command: [sh, -c, "ln -s /.old{secret} /v/old; ln -s ../../../../../..{secret} /v/up"]
    volumeMounts: [{{name: v, mountPath: /v}}]
  containers:
  - name: one
    image: busybox
    command: [sleep, "3600"]
    volumeMounts: [{{name: v, mountPath: /v}}, {{name: w, mountPath: /v/old/planted}}]
  - name: two
    image: busybox
    command: [sleep, "3600"]
    volumeMounts: [{{name: v, mountPath: /v}}, {{name: w, mountPath: /v/up/planted}}]
"""
NUMBERS = range(3, 24)
PLACED = """\
apiVersion: v1
kind: Pod
metadata: {{name: placed, labels: {{sidecar.istio.io/inject: "false"}}}}
spec:
  restartPolicy: Never
  containers:
{containers}
"""
SOMEWHERE = """\
  - name: c{number}
    image: busybox
    workingDir: /proc/self/fd/{number}
    command: [sh, -c, "cat {up}{secret}/key; ls -ld {up}{secret}"]
"""


def test_a_sub_path_is_not_exchanged_for_a_link(attacked: Attacked) -> None:
    victims = "".join(VICTIM.format(number=n) for n in range(TRIES))
    source = "".join(f"      {line}\n" for line in ATTACKS.splitlines())
    text = RACE.format(secret=attacked.secret, source=source, python=PYTHON, victims=victims)
    attacked.apply(text)

    def all_tried() -> bool:
        states = attacked.containers("race")
        tried = [s for s in states.values() if "running" in s or "message" in s or "termin" in s]
        return len(tried) == TRIES

    attacked.until(all_tried, "every container was tried")
    logs = attacked.logs("race", [f"c{n}" for n in range(TRIES)])
    attacked.lab.kubectl("delete", "pod", "race", "--now")
    assert SECRET not in logs
    assert [path.name for path in attacked.secret.iterdir()] == ["key"]


def test_no_mount_follows_a_link_out_of_its_root(attacked: Attacked) -> None:
    attacked.apply(LINKED.format(secret=attacked.secret))

    def all_tried() -> bool:
        states = attacked.containers("linked")
        return len([s for s in states.values() if "running" in s or "message" in s]) == 2

    attacked.until(all_tried, "both containers were tried")
    attacked.lab.kubectl("delete", "pod", "linked", "--now")
    assert [path.name for path in attacked.secret.iterdir()] == ["key"]


def test_the_kernel_takes_no_settings_and_gives_no_disks(attacked: Attacked) -> None:
    settings = ("core_pattern", "modprobe", "hotplug", "randomize_va_space", "sysrq")
    paths = [f"/proc/sys/kernel/{name}" for name in settings]
    paths += ["/proc/sys/vm/overcommit_memory", "/proc/sys/fs/binfmt_misc/register"]
    paths += ["/sys/kernel/uevent_helper", "/proc/sys/vm/drop_caches"]
    assert attacked.attack("attacker", "rewrite", *paths) == []
    root = os.stat("/").st_dev
    assert attacked.attack("attacker", "device", str(os.major(root)), str(os.minor(root))) == []


def test_nothing_of_the_host_is_read(attacked: Attacked) -> None:
    lab = attacked.lab
    own = [attacked.secret, *attacked.others, lab.home / "state", lab.home / "run"]
    keys = [folder / "key" for folder in (attacked.secret, *attacked.others)]
    told = ["/etc/shadow", "/etc/gshadow", "/etc/ssh/sshd_config", "/proc/kcore", "/proc/keys"]
    told += ["/root/.bash_history", "/proc/sched_debug", "/proc/timer_list", "/dev/kmsg"]
    for container in ("attacker", "meshed"):
        read = attacked.attack(container, "read", *map(str, (*own, *keys)), *told)
        assert read == [], read
    assert attacked.attack("attacker", "roots", f"{attacked.secret}/key".lstrip("/")) == []
    users = attacked.in_pod("attacker", "cat /etc/passwd")
    strangers = {"sshd", "sync", "games", "uucp"}
    assert not strangers & {line.split(":")[0] for line in users.splitlines()}


def test_devices_are_a_pods_own(attacked: Attacked) -> None:
    attacked.in_pod(
        "attacker", "ln -sfn /tmp/mine /dev/stdout; touch /dev/mine; echo x > /dev/shm/x"
    )
    assert attacked.in_pod("other", "readlink /dev/stdout") == "/proc/self/fd/1\n"
    assert "No such file" in attacked.in_pod("other", "ls /dev/mine /dev/shm/x")
    open_ = attacked.lab.command(*attacked.kubectl("exec", "-it", "other", "--", "sleep", "5"))
    main, tty = os.openpty()
    with subprocess.Popen(open_, env=attacked.lab.env, stdin=tty, stdout=tty, stderr=tty) as held:
        try:
            attacked.until(
                lambda: "0" in attacked.in_pod("other", "ls /dev/pts").split(), "a terminal"
            )
            assert attacked.in_pod("attacker", "ls /dev/pts").split() == ["ptmx"]
        finally:
            held.kill()
    os.close(main)
    os.close(tty)


def test_no_pod_speaks_for_another(attacked: Attacked) -> None:
    listening = attacked.begun("other", "receive", "9999", "30", attacked.ip("attacker"))
    assert listening.stdout is not None
    assert listening.stdout.readline() == "listening\n"
    for source in (attacked.ip("third"), "10.96.0.1"):
        attacked.attack("attacker", "spoof", source, attacked.ip("other"), "9999")
    attacked.attack("attacker", "spoof", attacked.ip("attacker"), attacked.ip("other"), "9999")
    said = listening.stdout.read().splitlines()
    listening.wait()
    assert set(said) == {f"got spoofed from {attacked.ip('attacker')}"}


def test_the_host_and_the_labs_own_are_not_reached(attacked: Attacked) -> None:
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.socket())
        tcp.bind(("0.0.0.0", 0))
        tcp.listen()
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("0.0.0.0", 0))
        for sock in (tcp, udp):
            sock.setblocking(False)
        api = attacked.lab.run("sh", "-c", "grep -o 'server: .*' $KUBECONFIG").stdout
        ports = [f"tcp:{{}}:{tcp.getsockname()[1]}", f"udp:{{}}:{udp.getsockname()[1]}"]
        ports.append(f"tls:{{}}:{api.rpartition(':')[2].strip()}")
        hosts = {"127.0.0.1", *_own_addresses()}
        places = [port.format(host) for host in hosts for port in ports]
        assert attacked.attack("attacker", "connect", *places) == []
        attacked.attack("meshed", "connect", *places)  # its proxy accepts before it connects
        for ask in (tcp.accept, lambda: udp.recv(100)):
            with pytest.raises(BlockingIOError):
                ask()
    lab = attacked.lab
    sockets = [str(path) for path in lab.home.rglob("*.sock")]
    assert attacked.attack("attacker", "read", *sockets) == []


def _own_addresses() -> list[str]:
    """Return the addresses of this machine, the lab's link with them."""
    text = subprocess.run(
        [programs.require("ip"), "-4", "-o", "addr"], capture_output=True, text=True
    ).stdout
    return [line.split()[3].partition("/")[0] for line in text.splitlines()]


def test_segments_of_memory_are_a_pods_own(attacked: Attacked) -> None:
    key = str(0x4C540000 + os.getpid() % 60000)
    assert attacked.attack("attacker", "share", key, "mine") == ["shared mine"]
    assert attacked.attack("attacker", "share", key, "-") == ["shared mine"]
    assert attacked.attack("other", "share", key, "-") == []
    made = ["queued mine", "semaphore", "posix queue"]
    assert attacked.attack("attacker", "queues", key, "mine") == made
    assert attacked.attack("attacker", "queues", key, "-") == made
    assert attacked.attack("other", "queues", key, "-") == []


@pytest.mark.parametrize("pod", ["attacker", "meshed"])
def test_the_kernels_far_corners_are_closed(attacked: Attacked, pod: str) -> None:
    container = "istio-proxy" if pod == "meshed" else "app"
    assert attacked.attack(pod, "calls", container=container) == []


@pytest.mark.parametrize("container", ["app", "istio-proxy"])
def test_no_program_of_the_host_is_written_to(attacked: Attacked, container: str) -> None:
    assert attacked.attack("meshed", "overwrite", container=container) == []


def test_no_descriptor_of_the_labs_is_inherited(attacked: Attacked) -> None:
    assert attacked.attack("attacker", "leaked") == []
    plain = "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))"
    for tty in ([], ["-t"]):
        done = attacked.lab.kubectl("exec", *tty, "attacker", "--", PYTHON, "-c", plain)
        assert done.stdout.strip() == "[0, 1, 2, 3]", done.stderr


def test_a_working_directory_is_in_the_container(attacked: Attacked) -> None:
    up = "../" * 12
    containers = "".join(
        SOMEWHERE.format(number=n, up=up, secret=str(attacked.secret).lstrip("/")) for n in NUMBERS
    )
    attacked.apply(PLACED.format(containers=containers))

    def all_tried() -> bool:
        states = attacked.containers("placed")
        return len([s for s in states.values() if "terminated" in s or "message" in s]) == len(
            NUMBERS
        )

    attacked.until(all_tried, "every container was tried")
    said = attacked.logs("placed", [f"c{n}" for n in NUMBERS])
    attacked.lab.kubectl("delete", "pod", "placed", "--now")
    assert SECRET not in said
    assert "lateen-secret" not in said.replace("No such file", "").replace("cannot access", "") or (
        "drw" not in said
    )


def test_links_in_what_is_copied_out_stay_inside(attacked: Attacked, tmp_path: Path) -> None:
    attacked.in_pod(
        "attacker", f"mkdir -p /v/out; ln -sfn {attacked.secret}/key /v/out/key; echo x > /v/out/x"
    )
    place = attacked.lab.home / "copied"
    attacked.lab.kubectl("cp", "attacker:/v/out", str(place))
    assert not (place / "key").exists()
    attacked.in_pod("attacker", f"ln -sfn {attacked.secret} /v/in")
    source = attacked.lab.home / "planted"
    source.write_text("planted")
    source.chmod(0o644)
    attacked.lab.kubectl("cp", str(source), "attacker:/v/in/planted")
    assert [path.name for path in attacked.secret.iterdir()] == ["key"]


OPENED = """\
apiVersion: v1
kind: Pod
metadata: {{name: opened, labels: {{sidecar.istio.io/inject: "false"}}}}
spec:
  volumes: [{{name: h, hostPath: {{path: {data}/deep}}}}]
  containers:
  - {{name: app, image: mine, volumeMounts: [{{name: h, mountPath: /h}}]}}
"""


@pytest.mark.parametrize("ordinary", USERS)
def test_what_a_folder_opens_is_agreed_to_first(
    make_lab: Callable[..., Lab], ordinary: bool
) -> None:
    lab = make_lab("asked", ordinary=ordinary)
    folder, data = lab.home / "theirs", lab.home / "data"
    (data / "deep").mkdir(parents=True)
    folder.mkdir()
    (folder / "run.sh").write_text("cat /h/key; echo from inside > /h/said; exec sleep 3600\n")
    (folder / "lateen.yaml").write_text(
        f"images: {{mine: [sh, {folder}/run.sh]}}\nhostPaths: [{data}]\n"
    )
    (folder / "pod.yaml").write_text(OPENED.format(data=data))
    (data / "deep" / "key").write_text("for root alone\n")
    (data / "deep" / "key").chmod(0o600)
    if lab.ordinary:
        for path in (folder, data, data / "deep", data / "deep" / "key"):
            os.chown(path, ORDINARY, ORDINARY)
    refused = lab.lateen("up", str(folder))
    assert refused.returncode == 65
    assert "LTN0070" in refused.stderr
    assert f"`lateen up --trust {folder}`" in refused.stderr
    assert not list(lab.home.glob("run/asked/*"))
    lab.ok("up", "--trust", str(folder))
    assert (data / "deep" / "said").read_text() == "from inside\n"
    assert (data / "deep" / "said").stat().st_uid == (ORDINARY if lab.ordinary else os.getuid())
    said = lab.kubectl("logs", "opened").stdout
    lab.ok("down")
    assert said == "for root alone\n"
    lab.ok("up", str(folder))
    lab.ok("down")
    (folder / "run.sh").write_text("echo another; exec sleep 3600\n")
    assert lab.lateen("up", str(folder)).returncode == 65


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="no copies are made elsewhere")
def test_behind_the_walls_a_proxy_is_a_copy(attacked: Attacked) -> None:
    done = attacked.lab.kubectl(
        "exec", "meshed", "-c", "istio-proxy", "--", "sed", "-n", "1p", "/proc/1/maps"
    )
    waiting = [
        path.with_name("maps").read_text().splitlines()[0].split()[0]
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"waits to be copied" in path.read_bytes()
    ]
    assert done.stdout.split()[0] in waiting
