"""How a lab's processes are started."""

import os
import select
import signal
import sys

from lateen.app.lab import starting

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def ended(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_what_a_shell_left_open_is_not_kept() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    pid = starting.spawn(SLEEP)
    try:
        os.close(writer)
        readable, _, _ = select.select([reader], [], [], 10)
        assert readable, "the pipe's other end is still open"
        assert os.read(reader, 1) == b""
    finally:
        ended(pid)
        os.close(reader)


def test_what_is_passed_is_kept_by_its_number(tmp_path: object) -> None:
    reader, writer = os.pipe()
    log = f"{tmp_path}/log"
    say = (
        f"import os, sys; os.write({writer}, b'here'); print('out'); print('err', file=sys.stderr)"
    )
    pid = starting.spawn([sys.executable, "-c", say], passing=(writer,), log=log)
    assert os.get_inheritable(writer) is False
    os.close(writer)
    assert os.read(reader, 10) == b"here"
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with open(log, encoding="utf-8") as file:
        assert sorted(file.read().split()) == ["err", "out"]
    os.close(reader)


def test_a_waiting_process_ends_with_who_began_it() -> None:
    wait = (
        "import sys; from lateen.app.lab import starting_child as told; told.wait(int(sys.argv[1]))"
    )
    begun = starting.Waiting([sys.executable, "-c", wait])
    assert os.getsid(begun.pid) == begun.pid
    begun.dismiss()
