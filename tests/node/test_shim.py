"""The shim for real: containers, commands, terminals, sockets, restarts, in its own namespaces."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lateen.node.shim.client import Executed, ShimClient, ShimError, ShimGoneError
from lateen.node.shim.protocol import ContainerSpec, Mount

pytestmark = pytest.mark.netns
POD = "pod-uid"
ShimLab = Any
"""The class of the `shim_lab` fixture."""


def in_lab(lab: ShimLab, scenario: Callable[[ShimClient], Awaitable[None]]) -> None:
    """Run a scenario against a started lab."""

    async def main() -> None:
        if lab.process is None:
            lab.start()
        client = await lab.connect()
        os.close(await client.make_pod(POD))
        try:
            await scenario(client)
        finally:
            await lab.close()

    asyncio.run(main())


WAITING = """exec python3 -c '
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("up", flush=True)
signal.sigwait([signal.SIGTERM])
sys.exit(6)'"""
"""Takes the signal without a handler."""


def shell(lab: ShimLab, script: str, **fields: object) -> ContainerSpec:
    """Return a container that runs a shell script, with a log."""
    log = str(lab.state / "logs" / "pod" / "app" / "0.log")
    spec = ContainerSpec(argv=("/bin/sh", "-c", script), log=log)
    return spec._replace(**fields)


def logged(lab: ShimLab) -> list[tuple[str, str]]:
    """Return stream and text of the log's lines."""
    rows = (lab.state / "logs" / "pod" / "app" / "0.log").read_text().splitlines()
    return [(row.split(" ", 3)[1], row.split(" ", 3)[3]) for row in rows]


async def command(client: ShimClient, target: str, number: int, *argv: str) -> tuple[int, str]:
    """Run a command in a container; return its exit code and output."""
    reader, writer = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        spec = ContainerSpec(argv=argv)
        await client.exec(f"{target}#{number}", target, spec, (null, writer, writer))
    finally:
        os.close(writer)
        os.close(null)
    ended = await client.wait(f"{target}#{number}")
    with os.fdopen(reader) as output:
        return ended.code, output.read()


def processes_with(marker: str) -> list[int]:
    """Return the host's processes whose command line has a word."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_a_container_has_its_own_world(shim_lab: ShimLab) -> None:
    secret = shim_lab.state / "secret"
    secret.mkdir()
    (secret / "key").write_text("hidden")
    volume = shim_lab.state / "volume"
    volume.mkdir()
    (volume / "file").write_text("content\n")
    volume.chmod(0o755)
    script = (
        "hostname; cat /etc/hosts; cat /usr/share/new/place/file; pwd; echo $NAME; echo $$;"
        f"ls {secret}; ls -A /tmp; touch /tmp/a /etc/a /opt-made/a; echo bad >&2; exit 3"
    )
    spec = shell(
        shim_lab,
        script,
        env=("NAME=value", "PATH=/usr/bin:/bin"),
        cwd="/place/made",
        hostname="pod-1",
        files=(("/etc/hosts", "10.0.0.1 pod-1\n"),),
        mounts=(Mount(str(volume), "/usr/share/new/place", True),),
        masks=(str(shim_lab.state),),
        writable=("/opt-made",),
    )

    async def scenario(client: ShimClient) -> None:
        started = await client.run(f"{POD}/app/0", spec)
        assert started.state == "running"
        ended = await client.wait(f"{POD}/app/0")
        assert (ended.code, ended.signal) == (3, 0)
        assert ended.finished >= ended.started
        lines = logged(shim_lab)
        out = [text for stream, text in lines if stream == "stdout"]
        assert out[:6] == ["pod-1", "10.0.0.1 pod-1", "content", "/place/made", "value", "1"]
        # Of the host's /tmp only what leads to the interpreter may be seen.
        leads = {part for path in (sys.prefix, sys.base_prefix) for part in Path(path).parts}
        assert set(out[6:]) <= leads
        errors = [text for stream, text in lines if stream == "stderr"]
        assert errors[-1] == "bad"
        assert len(errors) == 2, errors
        assert "No such file" in errors[0]

    in_lab(shim_lab, scenario)
    assert not Path("/usr/share/new").exists()


def test_pods_do_not_see_each_other(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        os.close(await client.make_pod("other"))
        await client.run("other/app/0", ContainerSpec(argv=("sleep", "1000")))
        await client.run(f"{POD}/app/0", shell(shim_lab, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))
        await client.wait(f"{POD}/app/0")
        assert "sleep" not in "".join(text for _, text in logged(shim_lab)).replace("cat", "")

    in_lab(shim_lab, scenario)


def test_a_handle_starts_once(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        spec = ContainerSpec(argv=("sleep", "1000"))
        await client.run(f"{POD}/app/0", spec)
        with pytest.raises(ShimError) as refused:
            await client.run(f"{POD}/app/0", spec)
        assert refused.value.errno == errno.EEXIST
        with pytest.raises(ShimError) as missing:
            await client.run(f"{POD}/app/1", ContainerSpec(argv=("no-such-program",)))
        assert (missing.value.errno, missing.value.step) == (errno.ENOENT, "exec")
        await client.run(f"{POD}/app/1", spec)

    in_lab(shim_lab, scenario)


def test_commands_run_in_the_container(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        spec = ContainerSpec(argv=("sleep", "1000"), env=("A=1", "PATH=/usr/bin:/bin"), cwd="/var")
        target = f"{POD}/app/0"
        await client.run(target, spec)
        assert await command(client, target, 1, "sh", "-c", "echo $A; pwd; exit 7") == (
            7,
            "1\n/var\n",
        )
        assert (await command(client, target, 2, "sh", "-c", "kill -9 $$"))[0] == 137
        with pytest.raises(ShimError) as refused:
            await command(client, target, 3, "no-such-program")
        assert refused.value.errno == errno.ENOENT
        assert [p.handle for p in (await client.state()).processes] == [target]

    in_lab(shim_lab, scenario)


def test_a_container_may_share_anothers_processes(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        target = f"{POD}/app/0"
        await client.run(target, ContainerSpec(argv=("sleep", "1234"), hostname="app"))
        see = "tr '\\0' ' ' < /proc/1/cmdline; hostname; test $$ -gt 1 && echo joined"
        spec = shell(shim_lab, see, hostname="look", joins=target)
        await client.run(f"{POD}/look/0", spec)
        assert (await client.wait(f"{POD}/look/0")).code == 0
        assert [text for _, text in logged(shim_lab)] == ["sleep 1234 look", "joined"]
        await client.run(f"{POD}/look/1", shell(shim_lab, "exec sleep 1000", joins=target))
        await client.kill(f"{POD}/look/1", signal.SIGTERM)
        assert (await client.wait(f"{POD}/look/1")).code == 143, "it is not process 1"
        await client.run(f"{POD}/look/2", shell(shim_lab, "exec sleep 1000", joins=target))
        await client.kill(target, signal.SIGKILL)
        assert (await client.wait(f"{POD}/look/2")).code == 137, "it ends with its target"
        with pytest.raises(ShimError) as refused:
            await client.run(f"{POD}/look/3", shell(shim_lab, "true", joins=target))
        assert refused.value.errno == errno.ESRCH

    in_lab(shim_lab, scenario)


def test_rights_are_not_regained(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        target = f"{POD}/app/0"
        await client.run(target, ContainerSpec(argv=("sleep", "1000"), no_new_privileges=True))
        asked = await command(client, target, 1, "grep", "NoNewPrivs", "/proc/self/status")
        assert asked == (0, "NoNewPrivs:\t1\n")

    in_lab(shim_lab, scenario)


def test_a_command_gets_a_terminal(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        target = f"{POD}/app/0"
        await client.run(target, ContainerSpec(argv=("sleep", "1000")))
        spec = ContainerSpec(argv=("sh", "-c", "tty && read line && echo got $line"), tty=True)
        made: Executed = await client.exec(f"{target}#1", target, spec)
        os.write(made.terminal, b"words\n")
        assert (await client.wait(f"{target}#1")).code == 0
        seen = ""
        with contextlib.suppress(OSError):  # EIO: all was read, and the other end is closed
            while "got words" not in seen:
                seen += os.read(made.terminal, 4096).decode()
        os.close(made.terminal)
        assert "/dev/pts/" in seen
        assert "got words" in seen

    in_lab(shim_lab, scenario)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done", 5),
        ("echo up; sleep 1000; true", 137),
        (WAITING, 6),
    ],
)
def test_sigterm_ends_a_container(shim_lab: ShimLab, script: str, code: int) -> None:
    """One that handles it ends by itself; one that would ignore it is not waited for."""

    async def scenario(client: ShimClient) -> None:
        await client.run(f"{POD}/app/0", shell(shim_lab, script))
        log = shim_lab.state / "logs" / "pod" / "app" / "0.log"
        await shim_lab.until(
            lambda: log.exists() and "up" in log.read_text(), "the script to be up"
        )
        await client.kill(f"{POD}/app/0", signal.SIGTERM)
        assert (await client.wait(f"{POD}/app/0")).code == code
        with pytest.raises(ShimError) as gone:
            await client.kill(f"{POD}/app/0", signal.SIGTERM)
        assert gone.value.errno == errno.ESRCH

    in_lab(shim_lab, scenario)


def test_sockets_are_opened_inside_pods(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        os.close(await client.make_pod("other"))
        made = [
            await client.open_socket(pod, socket.AF_INET, socket.SOCK_STREAM)
            for pod in (POD, "other", "", POD)
        ]
        for one in made[:3]:
            one.bind(("0.0.0.0", 4711))
        with pytest.raises(OSError, match="in use"):
            made[3].bind(("0.0.0.0", 4711))
        marked = await client.open_socket(POD, socket.AF_INET, socket.SOCK_STREAM, mark=1337)
        assert marked.getsockopt(socket.SOL_SOCKET, socket.SO_MARK) == 1337
        for one in (*made, marked):
            one.close()

    in_lab(shim_lab, scenario)


def test_containers_outlive_their_client_and_are_found_again(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        await client.run(f"{POD}/app/0", ContainerSpec(argv=("sleep", "1000")))
        await client.run(f"{POD}/app/1", ContainerSpec(argv=("sh", "-c", "exit 4")))
        await client.wait(f"{POD}/app/1")
        await client.close()
        again = await shim_lab.connect()
        state = await again.state()
        assert state.pods == (POD,)
        found = {p.handle: (p.state, p.code) for p in state.processes}
        assert found == {f"{POD}/app/0": ("running", 0), f"{POD}/app/1": ("exited", 4)}
        await again.kill(f"{POD}/app/0", signal.SIGKILL)
        async for ended in again.exits():
            assert (ended.handle, ended.signal) == (f"{POD}/app/0", 9)
            break
        await again.forget(f"{POD}/app/0")
        assert len((await again.state()).processes) == 1
        await again.remove_pod(POD)
        assert (await again.state()).pods == ()

    in_lab(shim_lab, scenario)


def test_attached_clients_see_output_and_give_input(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        spec = shell(shim_lab, "while read l; do echo got $l; done", stdin=True, stdin_once=True)
        await client.run(f"{POD}/app/0", spec)
        reader, writer = os.pipe()
        attached = await client.attach(f"{POD}/app/0", writer, writer)
        os.close(writer)
        os.write(attached.stdin, b"one\ntwo\n")
        os.close(attached.stdin)
        assert (await client.wait(f"{POD}/app/0")).code == 0
        with os.fdopen(reader) as output:
            assert output.read() == "got one\ngot two\n"
        assert logged(shim_lab) == [("stdout", "got one"), ("stdout", "got two")]

    in_lab(shim_lab, scenario)


async def read_all(fd: int) -> str:
    """Read a pipe to its end, leaving the loop free for everything else."""

    def read() -> str:
        with os.fdopen(fd) as file:
            return file.read()

    return await asyncio.to_thread(read)


def test_the_client_of_a_container_is_waited_for_and_misses_nothing(shim_lab: ShimLab) -> None:
    """What was logged before it came, beyond what it has read, and the end."""

    async def scenario(client: ShimClient) -> None:
        target = f"{POD}/app/0"
        spec = shell(shim_lab, "echo one; printf two; exit 3", stdin=True, stdin_once=True)
        await client.run(target, spec)
        log = shim_lab.state / "logs" / "pod" / "app" / "0.log"
        await shim_lab.until(lambda: log.read_text().endswith("two\n"), "the container to end")
        shown = log.read_bytes().index(b"\n") + 1
        assert [p.state for p in (await client.state()).processes] == ["running"]
        with pytest.raises(ShimError, match="has ended"):
            await command(client, target, 1, "true")
        reader, writer = os.pipe()
        await client.attach(target, writer, writer, shown)
        os.close(writer)
        assert (await client.wait(target)).code == 3
        assert await read_all(reader) == "two\n"

    in_lab(shim_lab, scenario)


def test_a_kept_end_is_told_when_the_container_is_to_end(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        target = f"{POD}/app/0"
        await client.run(target, shell(shim_lab, "echo up4711", stdin=True, stdin_once=True))
        await shim_lab.until(lambda: not processes_with("up4711"), "the container to end")
        await client.kill(target, signal.SIGTERM)
        assert (await client.wait(target)).code == 0

    in_lab(shim_lab, scenario)


def test_a_slow_client_holds_its_container_up(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        target = f"{POD}/app/0"
        script = "read word; seq 1 600000; echo $word"
        await client.run(target, shell(shim_lab, script, stdin=True, stdin_once=True))
        reader, writer = os.pipe()
        attached = await client.attach(target, writer, writer)
        os.close(writer)
        os.write(attached.stdin, b"done\n")
        os.close(attached.stdin)
        log = shim_lab.state / "logs" / "pod" / "app" / "0.log"
        await shim_lab.until(lambda: log.stat().st_size > 1_000_000, "a full pipe")
        lines = (await read_all(reader)).splitlines()
        assert (len(lines), lines[-2:]) == (600_001, ["600000", "done"])
        assert (await client.wait(target)).code == 0

    in_lab(shim_lab, scenario)


def test_kill_9_of_the_shim_leaves_no_process(shim_lab: ShimLab) -> None:
    marker = f"9{os.getpid()}.{id(shim_lab)}"

    async def scenario(client: ShimClient) -> None:
        await client.run(f"{POD}/app/0", ContainerSpec(argv=("sleep", marker)))
        assert len(processes_with(marker)) == 1
        os.kill(shim_lab.shim_pid(), signal.SIGKILL)
        await shim_lab.until(
            lambda: not processes_with(marker), "the container to end with the shim"
        )
        with pytest.raises(ShimGoneError):
            await client.state()

    in_lab(shim_lab, scenario)


def test_sigterm_ends_the_lab_in_order(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        script = "trap 'echo ending; exit 0' TERM; echo up; while :; do sleep 0.01; done"
        await client.run(f"{POD}/app/0", shell(shim_lab, script))
        log = shim_lab.state / "logs" / "pod" / "app" / "0.log"
        await shim_lab.until(
            lambda: log.exists() and "up" in log.read_text(), "the script to be up"
        )
        assert shim_lab.process is not None
        shim_lab.process.terminate()
        await shim_lab.until(lambda: shim_lab.process.poll() is not None, "the lab to end")
        assert shim_lab.process.returncode == 0
        assert logged(shim_lab)[-1] == ("stdout", "ending")

    in_lab(shim_lab, scenario)


def test_the_agent_is_started_again_and_containers_stay(shim_lab: ShimLab) -> None:
    marks = shim_lab.state / "marks"
    shim_lab.agent = ["/bin/sh", "-c", f"echo $$ >> {marks}; exec sleep 1000"]

    def pids() -> list[int]:
        return [int(line) for line in marks.read_text().split()] if marks.exists() else []

    async def scenario(client: ShimClient) -> None:
        await client.run(f"{POD}/app/0", ContainerSpec(argv=("sleep", "1000")))
        await shim_lab.until(lambda: len(pids()) == 1, "the agent to start")
        await client.run(f"{POD}/killer/0", ContainerSpec(argv=("true",)))
        for pid in processes_with("sleep\x001000"):
            status = Path(f"/proc/{pid}/status").read_text()
            inside = next(r for r in status.splitlines() if r.startswith("NSpid")).split()
            if int(inside[-1]) == pids()[0] and len(inside) == 3:
                os.kill(pid, signal.SIGKILL)
        await shim_lab.until(lambda: len(pids()) == 2, "the agent to be started again")
        running = [p.handle for p in (await client.state()).processes if p.state == "running"]
        assert running == [f"{POD}/app/0"]

    in_lab(shim_lab, scenario)


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
def test_other_users_are_turned_away(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        shim_lab.socket.chmod(0o666)
        shim_lab.run.chmod(0o755)
        os.chmod(shim_lab.home, 0o755)
        own = os.geteuid()
        os.seteuid(shim_lab.other_uid())
        try:
            stranger = await ShimClient.connect(shim_lab.socket)
        finally:
            os.seteuid(own)
        with pytest.raises(ShimGoneError):
            await stranger.state()
        await stranger.close()
        assert (await client.state()).pods == (POD,)

    in_lab(shim_lab, scenario)


def test_nonsense_does_not_end_the_shim(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        for junk in (b"\xff\xff\xff\xff", b"\0\0\0\2{}", b"\0\0\0\3[1]", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.socket(socket.AF_UNIX) as sock:
                own = os.geteuid()
                os.seteuid(shim_lab.uid)
                sock.connect(str(shim_lab.socket))
                os.seteuid(own)
                sock.sendall(junk)
        for handle in ("a", "a/b", "a/b/c", "/x/0", f"{POD}/x/0/1"):
            with pytest.raises(ShimError):
                await client.run(handle, ContainerSpec(argv=("true",)))
        with pytest.raises(ShimError):
            await client.open_socket("nope", socket.AF_INET, socket.SOCK_STREAM)
        assert (await client.state()).pods == (POD,)

    in_lab(shim_lab, scenario)


def test_a_container_over_its_memory_is_ended(shim_lab: ShimLab) -> None:
    take = "held = bytearray(64 << 20); import time; time.sleep(1000)"
    apart = f"import os; os.fork() or exec({take!r}); os.wait()"
    python = ("/usr/bin/env", "python3", "-c")

    async def scenario(client: ShimClient) -> None:
        small = ContainerSpec(argv=(*python, "import time; time.sleep(1000)"), memory=48 << 20)
        await client.run(f"{POD}/small/0", small)
        for name, words in (("app", take), ("other", apart)):
            spec = ContainerSpec(argv=(*python, words), memory=48 << 20)
            await client.run(f"{POD}/{name}/0", spec)
            ended = await client.wait(f"{POD}/{name}/0")
            assert (ended.code, ended.reason) == (137, "OOMKilled")
        await client.run(f"{POD}/free/0", ContainerSpec(argv=(*python, "bytearray(64 << 20)")))
        assert (await client.wait(f"{POD}/free/0")).reason == ""
        states = {p.handle: p.state for p in (await client.state()).processes}
        assert states[f"{POD}/small/0"] == "running"

    in_lab(shim_lab, scenario)
