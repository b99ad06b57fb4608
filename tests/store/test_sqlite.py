import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lateen.store import api
from lateen.store.sqlite import SqliteStore, StoreInUseError

KEY = api.Key("pods", "default", "a")


def body(**more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, **more}


def test_reopening_restores_objects_revision_and_history(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    store.create(KEY, body(x=1))
    store.update(KEY, body(x=2))
    store.create(KEY._replace(name="b"), body())
    store.delete(KEY._replace(name="b"))
    store.close()
    again = SqliteStore(tmp_path / "s.db")
    assert again.revision == 4
    assert again.get(KEY).value == {**body(x=2), "metadata": {"name": "a", "resourceVersion": "2"}}

    async def replay() -> list[tuple[str, int, int]]:
        seen = []
        async for event in again.watch("pods", after=1):
            seen.append(
                (event.type.value, event.revision, event.previous and event.previous.revision)
            )
            if event.revision == 4:
                break
        return seen

    assert asyncio.run(replay()) == [("MODIFIED", 2, 1), ("ADDED", 3, None), ("DELETED", 4, 3)]
    assert len(again.list("pods", revision=1).entries) == 1
    assert again.create(KEY._replace(name="c"), body()).revision == 5


def test_file_stays_bounded(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db", history=50)
    store.create(KEY, body())
    for count in range(2000):
        store.update(KEY, body(x=count, pad="p" * 500))
    store.close()
    assert (tmp_path / "s.db").stat().st_size < 200_000
    smaller = SqliteStore(tmp_path / "s.db", history=5)
    assert smaller.revision == 2001
    smaller.watch("pods", after=1996).close()
    with pytest.raises(api.ExpiredError):
        smaller.watch("pods", after=1995)


OPENER = """
import sys
from pathlib import Path
from lateen.store.sqlite import SqliteStore
try:
    SqliteStore(Path(sys.argv[1]))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_second_opener_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    store = SqliteStore(path)
    store.create(KEY, body())
    with pytest.raises(StoreInUseError, match="already running"):
        SqliteStore(path)
    run = subprocess.run(
        [sys.executable, "-c", OPENER, str(path)], capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith(f"StoreInUseError {path} is in use by another process")
    store.update(KEY, body(x=1))
    store.close()
    SqliteStore(path).close()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"not a database, but long enough to look at\n" * 50, "not a usable store")],
)
def test_foreign_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "s.db").write_bytes(content)
    with pytest.raises(api.StoreError, match=message):
        SqliteStore(tmp_path / "s.db")
    assert (tmp_path / "s.db").read_bytes() == content


def test_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(api.StorageFullError, match="cannot be written"):
        SqliteStore(tmp_path / "nowhere" / "s.db")


FULL = """
import resource, sys
from pathlib import Path
from lateen.store import api
from lateen.store.sqlite import SqliteStore

path = Path(sys.argv[1])
store = SqliteStore(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
written = 0
try:
    for written in range(1000):
        value = {"metadata": {"name": "n"}, "pad": "p" * 5000}
        store.create(api.Key("pods", "default", f"n{written}"), value)
except api.StorageFullError as error:
    assert "cannot be written" in str(error), error
assert store.revision == written == len(store.list("pods").entries), (store.revision, written)
try:
    store.delete(api.Key("pods", "default", "n0"))
    small = 1
except api.StorageFullError:
    small = 0
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.create(api.Key("pods", "default", "after"), {"metadata": {"name": "after"}})
print(written + small + 1)
"""


def test_full_disk_changes_nothing(tmp_path: Path) -> None:
    """A file size limit makes the kernel refuse the write, as a full disk does."""
    path = tmp_path / "s.db"
    run = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    written = int(run.stdout)
    assert 10 < written < 1000
    again = SqliteStore(path)
    assert again.revision == written
    assert again.get(KEY._replace(name="after"))


WRITER = """
import os, sys
from pathlib import Path
from lateen.store import api
from lateen.store.sqlite import SqliteStore

def write(path):
    store = SqliteStore(path, history=40)
    while True:
        value = store.revision + 1
        key = api.Key("pods", "default", f"n{value % 7}")
        body = {"metadata": {"name": key.name}, "at": value, "pad": "p" * 300}
        try:
            store.get(key)
        except api.NotFoundError:
            store.create(key, body)
        else:
            store.update(key, body)
        os.write(1, value.to_bytes(8, "big"))

for line in sys.stdin:
    wait, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(wait, 1)
        write(Path(line.strip()))
    os.write(1, child.to_bytes(8, "big"))
    os.write(go, b"x")
    os.close(wait)
    os.close(go)
    os.waitpid(child, 0)
    os.write(1, bytes(8))
"""


def kill_once(writer: "subprocess.Popen[bytes]", path: Path, after: int, spin: int) -> int:
    """Have a process write and kill it a little after so many acknowledgements; return the
    newest revision that it acknowledged."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write(f"{path}\n".encode())
    writer.stdin.flush()
    pid = int.from_bytes(writer.stdout.read(8), "big")
    acknowledged = 0
    while frame := int.from_bytes(writer.stdout.read(8), "big"):
        acknowledged = frame
        after -= 1
        if after == 0:
            for _ in range(spin):
                pass
            os.kill(pid, signal.SIGKILL)
    return acknowledged


def test_killed_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    chance = random.Random(7)
    newest = 0
    with subprocess.Popen(
        [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        for _ in range(120):
            acknowledged = kill_once(writer, path, chance.randint(1, 30), chance.randrange(3000))
            newest = max(newest, acknowledged)
            store = SqliteStore(path, history=40)
            assert newest <= store.revision <= newest + 1
            for entry in store.list("pods").entries:
                assert entry.value["at"] == entry.revision
            assert {each.revision for each in store.list("pods").entries} == set(
                range(max(1, store.revision - 6), store.revision + 1)
            )
            newest = store.revision
            store.close()
    assert newest > 600
