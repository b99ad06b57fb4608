"""What a client of the shim leaves when it goes, and what it leaves to others."""

import os
import signal

from lateen.node.shim.client import ShimClient
from lateen.node.shim.protocol import ContainerSpec
from tests.node.conftest import ShimLab
from tests.node.test_shim import POD, in_lab, processes_with, read_all, shell


def test_the_end_of_a_command_is_that_of_what_it_started(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        target, mark = f"{POD}/app/0", f"97{os.getpid()}"
        await client.run(target, ContainerSpec(argv=("sleep", "1000")))
        null = os.open(os.devnull, os.O_RDWR)
        script = ContainerSpec(argv=("sh", "-c", f"sleep {mark}; true"))
        await client.exec(f"{target}#1", target, script, (null, null, null))
        os.close(null)
        await shim_lab.until(lambda: len(processes_with(mark)) == 2, "shell and sleep")
        await client.kill(f"{target}#1", signal.SIGHUP)
        await shim_lab.until(lambda: not processes_with(mark), "both to end")
        assert [p.state for p in (await client.state()).processes] == ["running"]

    in_lab(shim_lab, scenario)


def test_a_client_that_wants_no_input_leaves_it_to_others(shim_lab: ShimLab) -> None:
    async def scenario(client: ShimClient) -> None:
        target = f"{POD}/app/0"
        spec = shell(shim_lab, "read word; echo $word", stdin=True, stdin_once=True)
        await client.run(target, spec)
        reader, writer = os.pipe()
        assert (await client.attach(target, writer, writer, stdin=False)).stdin == -1
        attached = await client.attach(target, writer, writer)
        os.close(writer)
        os.write(attached.stdin, b"heard\n")
        os.close(attached.stdin)
        assert await read_all(reader) == "heard\n" * 2
        assert (await client.wait(target)).code == 0

    in_lab(shim_lab, scenario)
