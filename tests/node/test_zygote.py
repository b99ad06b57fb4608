"""Copies of a loaded program beside the same program started the long way: nothing may differ."""

import asyncio
import errno
import os
import re
import resource
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lateen.compiler.frontend import versions
from lateen.compiler.ir.proxy import MeshSettings
from lateen.node.container import sidecar
from lateen.node.shim.client import ShimClient, ShimError
from lateen.node.shim.protocol import ContainerSpec, Mount

zygote = pytest.importorskip("lateen.node.shim.zygote.zygote")
PROGRAM = shutil.which("bash") or "/bin/bash"
TELL = r"""
tell() { echo "== $1"; shift; "$@" 2>&1; }
rights() { # without a child: while it makes one the shell blocks signals
    while IFS= read -r line; do case $line in
        Cap*|Uid*|Gid*|Groups*|NoNewPrivs*|Seccomp*|Sig[!Q]*|Threads*|Umask*) echo "$line" ;;
    esac; done < /proc/$$/status
}
tell pid echo $$
tell cmdline sed -z -e 's/$/;/' /proc/$$/cmdline
tell environ sed -z -e 's/$/;/' /proc/$$/environ
tell variables sh -c 'env | sort'
tell rights rights
tell files ls -l --time-style=+ /proc/$$/fd
tell place sh -c 'pwd; hostname; cat /etc/hostname; ls /; ls /own'
tell mounts sh -c 'cut -d" " -f2- /proc/self/mounts'
tell session sh -c 'cut -d" " -f5-6 /proc/1/stat'
tell links readlink /proc/$$/exe /proc/$$/cwd
tell name cat /proc/$$/comm
tell interfaces cat /proc/net/dev
tell layout sed -n 1p /proc/$$/maps
exit 7
"""
pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="no copies are made elsewhere"),
]
ShimLab = Any
BLOCK = 1024


ARGUMENTS = (PROGRAM, "--norc", "/own/tell.sh")


def spec_of(lab: ShimLab, argv: tuple[str, ...], name: str, **fields: object) -> ContainerSpec:
    """Return a container whose every property shows in what it prints."""
    spec = ContainerSpec(
        argv=argv,
        env=("POD_NAME=a", "EMPTY=", "TEXT=one two\nthree"),
        cwd="/made/here",
        hostname="pod-a",
        files=(("/etc/hostname", "pod-a\n"),),
        mounts=(Mount(str(lab.home / "own"), "/own"),),
        log=str(lab.state / "logs" / "pod" / name / "0.log"),
        capabilities=(0, 1, 3, 5, 12, 13, 21),
    )
    return spec._replace(**fields)


def printed(lab: ShimLab, name: str) -> dict[str, str]:
    """Return what a container said, by what it told of."""
    rows = (lab.state / "logs" / "pod" / name / "0.log").read_text().splitlines()
    text = "\n".join(row.split(" ", 3)[3].replace("\0", "") for row in rows)
    pairs = (part.partition("\n") for part in re.sub(r"pipe:.*", "pipe", text).split("== ")[1:])
    return {what: said for what, _, said in pairs}


async def ran(client: ShimClient, lab: ShimLab, name: str, spec: ContainerSpec) -> dict[str, str]:
    """Run a container to its end."""
    await client.run(f"pod/{name}/0", spec)
    assert (await client.wait(f"pod/{name}/0")).code == 7
    return printed(lab, name)


def on_host(lab: ShimLab, inside: int) -> int:
    """Return the process id that a process of a lab has outside."""
    listed = Path(f"/proc/{lab.shim_pid()}/task/{lab.shim_pid()}/children").read_text().split()
    for pid in listed:
        status = Path(f"/proc/{pid}/status").read_text()
        if re.search(rf"^NSpid:\t{pid}\t{inside}\b", status, re.MULTILINE):
            return int(pid)
    raise AssertionError(f"no process {inside} among {listed}")


async def prepared(client: ShimClient, argv: tuple[str, ...]) -> int:
    """Have a program loaded; returns the zygote's process id."""
    await client.prepare(argv)
    return await zygote_of(client)


async def zygote_of(client: ShimClient, before: int = 0) -> int:
    """Wait for a zygote that is another than the one before."""
    deadline = asyncio.get_running_loop().time() + 10
    while (found := (await client.state()).zygote) in (0, before):
        assert asyncio.get_running_loop().time() < deadline, "no zygote was made"
        await asyncio.sleep(0.002)
    return found


@pytest.fixture
def script(shim_lab: ShimLab) -> Path:
    """A script that tells all about the process it runs in, where the lab's user can read it."""
    path = shim_lab.home / "own" / "tell.sh"
    path.parent.mkdir(mode=0o755)
    path.write_text(TELL)
    path.chmod(0o755)
    return path


def in_lab(lab: ShimLab, scenario: Any) -> None:
    """Run a scenario with a client of a started lab that has a pod."""

    async def main() -> None:
        lab.start()
        client = await lab.connect()
        os.close(await client.make_pod("pod"))
        try:
            await scenario(client)
        finally:
            await lab.close()

    asyncio.run(main())


def test_a_copy_is_what_a_started_program_is(shim_lab: ShimLab, script: Path) -> None:
    argv = ARGUMENTS

    async def scenario(client: ShimClient) -> None:
        long_way = [await ran(client, shim_lab, n, spec_of(shim_lab, argv, n)) for n in "ab"]
        await prepared(client, argv)
        copies = [await ran(client, shim_lab, n, spec_of(shim_lab, argv, n)) for n in "cd"]
        layouts = [one.pop("layout") for one in (*long_way, *copies)]
        assert len(long_way[0]) == 12, long_way[0]
        assert copies[0] == copies[1] == long_way[0]
        assert layouts[2] == layouts[3], "these were no copies"
        assert layouts[0] not in layouts[1:], "the kernel does not vary addresses: nothing is seen"

    in_lab(shim_lab, scenario)


def test_what_no_copy_can_be_is_started_the_long_way(shim_lab: ShimLab, script: Path) -> None:
    other = (shutil.which("dash") or "/bin/sh", "/own/tell.sh", "a")

    async def scenario(client: ShimClient) -> None:
        await prepared(client, ARGUMENTS)
        copy = await ran(client, shim_lab, "a", spec_of(shim_lab, ARGUMENTS, "a"))
        for name, argv, env in (
            ("b", ARGUMENTS, ("LD_BIND_NOW=1",)),
            ("c", other, ()),
            ("d", ARGUMENTS, tuple(f"N{n}={'x' * 99}" for n in range(700))),
            ("e", ARGUMENTS, tuple(f"N{n}=" for n in range(1100))),
        ):
            found = await ran(client, shim_lab, name, spec_of(shim_lab, argv, name, env=env))
            assert found["layout"] != copy["layout"], name
            assert all(one in found["variables"] for one in env[:3]), name

    in_lab(shim_lab, scenario)


def test_many_variables_and_other_arguments_reach_a_copy(shim_lab: ShimLab, script: Path) -> None:
    env = tuple(f"SERVICE_{n:04}_HOST=10.96.0.{n % 256}" for n in range(1000))

    async def scenario(client: ShimClient) -> None:
        await prepared(client, ARGUMENTS)
        plain = await ran(client, shim_lab, "a", spec_of(shim_lab, ARGUMENTS, "a"))
        found = await ran(client, shim_lab, "b", spec_of(shim_lab, ARGUMENTS, "b", env=env))
        assert found["layout"] == plain["layout"]
        assert set(env) < set(found["variables"].splitlines())
        assert found["environ"].count("SERVICE_") == len(env)
        for name, words in (
            ("c", ("--noprofile", "/own/tell.sh")),
            ("d", ("--norc", "--noprofile", "--", "/own/tell.sh")),
            ("e", ("/own/tell.sh",)),
        ):
            argv = (PROGRAM, *words)
            other = await ran(client, shim_lab, name, spec_of(shim_lab, argv, name))
            assert other["layout"] == plain["layout"]
            assert other["cmdline"] == "".join(f"{word};" for word in argv)
            assert {**other, "cmdline": ""} == {**plain, "cmdline": ""}

    in_lab(shim_lab, scenario)


def test_what_cannot_be_said_to_a_copy_is_said_of_it(shim_lab: ShimLab, script: Path) -> None:
    async def scenario(client: ShimClient) -> None:
        spec = spec_of(shim_lab, ARGUMENTS, "a", cwd="/own/tell.sh")
        await prepared(client, ARGUMENTS)
        with pytest.raises(ShimError) as refused:
            await client.run("pod/a/0", spec)
        assert (refused.value.errno, refused.value.step) == (errno.ENOTDIR, "chdir")
        state = await client.state()
        assert (state.processes, state.zygote > 0) == ((), True)
        await ran(client, shim_lab, "a", spec._replace(cwd="/"))

    in_lab(shim_lab, scenario)


def test_a_zygote_that_was_killed_is_made_anew(shim_lab: ShimLab, script: Path) -> None:
    async def scenario(client: ShimClient) -> None:
        first = await prepared(client, ARGUMENTS)
        before = await ran(client, shim_lab, "a", spec_of(shim_lab, ARGUMENTS, "a"))
        os.kill(on_host(shim_lab, first), signal.SIGKILL)
        # Asked for at once, perhaps before the shim knows of the end: the long way.
        spec = spec_of(shim_lab, ARGUMENTS, "c")
        assert (await ran(client, shim_lab, "c", spec))["layout"] != before["layout"]
        second = await zygote_of(client, first)
        after = await ran(client, shim_lab, "b", spec_of(shim_lab, ARGUMENTS, "b"))
        assert after["layout"] != before["layout"], second

    in_lab(shim_lab, scenario)


def test_a_program_that_was_replaced_is_loaded_again(shim_lab: ShimLab, script: Path) -> None:
    program = shim_lab.home / "own" / "program"
    argv = (str(program), *ARGUMENTS[1:])

    async def scenario(client: ShimClient) -> None:
        shutil.copy(PROGRAM, program)
        first = await prepared(client, argv)
        own = str(program.parent)
        plain = spec_of(shim_lab, argv, "a", mounts=(Mount(own, "/own"), Mount(own, own)))
        specs = {n: plain._replace(log=plain.log.replace("/a/", f"/{n}/")) for n in "abc"}
        before = await ran(client, shim_lab, "a", specs["a"])
        shutil.copy(PROGRAM, newer := program.with_name("newer"))
        newer.replace(program)
        after = [await ran(client, shim_lab, "b", specs["b"])]
        assert await zygote_of(client, first)
        after.append(await ran(client, shim_lab, "c", specs["c"]))
        for one in after:
            assert str(program) in one["links"]
            assert "deleted" not in one["links"]
            assert one["layout"] != before["layout"]

    in_lab(shim_lab, scenario)


def test_a_main_that_returns_is_rehearsed(shim_lab: ShimLab, script: Path) -> None:
    touch = shutil.which("touch") or "/usr/bin/touch"
    own = shim_lab.home / "own"
    own.chmod(0o777)

    async def scenario(client: ShimClient) -> None:
        for name, rehearsal in (("a", (touch, str(own / "seen"))), ("b", (touch, "/no/such"))):
            program = (touch, f"/own/{name}")
            await client.prepare(program, rehearsal)
            await zygote_of(client)
            await client.run(f"pod/{name}/0", spec_of(shim_lab, program, name))
            assert (await client.wait(f"pod/{name}/0")).code == 0

    in_lab(shim_lab, scenario)
    assert {"seen", "a", "b"} <= {path.name for path in own.iterdir()}


def test_a_program_that_ends_in_its_rehearsal_is_loaded_again(
    shim_lab: ShimLab, script: Path
) -> None:
    async def scenario(client: ShimClient) -> None:
        plain = await ran(client, shim_lab, "a", spec_of(shim_lab, ARGUMENTS, "a"))
        await client.prepare(ARGUMENTS, (PROGRAM, "-c", "exit 0"))
        await zygote_of(client)
        copies = [await ran(client, shim_lab, n, spec_of(shim_lab, ARGUMENTS, n)) for n in "bc"]
        assert copies[0] == copies[1]
        assert {**copies[0], "layout": ""} == {**plain, "layout": ""}

    in_lab(shim_lab, scenario)


def test_a_program_that_cannot_be_loaded_is_no_zygote(
    shim_lab: ShimLab, script: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario(client: ShimClient) -> None:
        await client.prepare(("/no/such/program", "a"))
        deadline, said = asyncio.get_running_loop().time() + 10, ""
        while "it cannot be started to be traced (No such file or directory)" not in said:
            assert asyncio.get_running_loop().time() < deadline, said
            await asyncio.sleep(0.01)
            said += capfd.readouterr().err
        await ran(client, shim_lab, "a", spec_of(shim_lab, ARGUMENTS, "a"))
        assert (await client.state()).zygote == 0
        assert await prepared(client, ARGUMENTS)

    in_lab(shim_lab, scenario)


def test_where_nothing_can_be_had_there_is_no_zygote_and_the_shim_goes_on() -> None:
    """It asks for one when another has ended, and would end with all that is in its namespaces."""
    pid = os.fork()
    if pid == 0:
        try:
            found = zygote.Zygote()
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
            found.begin(ARGUMENTS)
            os._exit(found.pid)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0


def drawn_ahead(pid: int) -> set[bytes]:
    """Return the blocks of a process's memory that hold random bytes."""
    found = set()
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            bounds, rights, *_ = line.split()
            first, last = (int(part, 16) for part in bounds.split("-"))
            if rights.startswith("rw"):
                memory.seek(first)
                held = memory.read(last - first)
                blocks = (held[at : at + BLOCK] for at in range(0, len(held), BLOCK))
                found |= {block for block in blocks if _is_random(block)}
    return found


def _is_random(block: bytes) -> bool:
    """Whether nearly all values occur and none is common: lists of free places have a common one,
    the upper half of each place."""
    return len(set(block)) > 230 and max(Counter(block).values()) < 20


def test_copies_of_a_rehearsed_envoy_draw_random_numbers_of_their_own(
    shim_lab: ShimLab, script: Path
) -> None:
    rehearsal = sidecar.rehearsal(MeshSettings(features=versions.features()))
    argv = (rehearsal[0], *rehearsal[3:])
    spec = ContainerSpec(argv=argv, log=str(shim_lab.state / "logs" / "pod" / "envoy.log"))

    async def scenario(client: ShimClient) -> None:
        await client.prepare(argv, rehearsal)
        await zygote_of(client)
        os.close(await client.make_pod("other"))
        run = [await client.run(f"{pod}/envoy/0", spec) for pod in ("pod", "other")]
        pids = [on_host(shim_lab, process.pid) for process in run]
        deadline = asyncio.get_running_loop().time() + 5
        while not all(found := [drawn_ahead(pid) for pid in pids]) or found[0] & found[1]:
            assert asyncio.get_running_loop().time() < deadline, [len(each) for each in found]
            await asyncio.sleep(0.05)

    in_lab(shim_lab, scenario)
