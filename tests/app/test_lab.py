"""A lab seen from outside: its place, its lock, and who takes it down."""

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lateen.app.lab import lab as labs, paths
from lateen.app.lab.lab import LabError
from lateen.app.lab.paths import LabPaths


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory whose name leaves room for sockets."""
    made = Path(tempfile.mkdtemp(prefix="lt-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def place(home: Path, monkeypatch: pytest.MonkeyPatch) -> LabPaths:
    """Where a lab of the name `web` would be."""
    monkeypatch.setenv("LATEEN_HOME", str(home))
    return paths.lab_paths("web")


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LATEEN_HOME", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987654)


@pytest.mark.parametrize("name", ["", "Web", "a_b", "../a", "web\n", "a" * 33, "-a", "ä"])
def test_a_name_that_is_no_label_is_refused(name: str, place: LabPaths) -> None:
    with pytest.raises(ValueError, match="use lower-case letters"):
        paths.lab_paths(name)


def test_a_relative_home_is_the_same_wherever_a_process_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("LATEEN_HOME", "here")
    found = paths.lab_paths("web")
    assert found.state == home / "here/state/web"
    assert found.run == home / "here/run/web"


@pytest.mark.usefixtures("no_home")
def test_a_user_without_a_home_is_told_what_to_set() -> None:
    with pytest.raises(LabError, match="set LATEEN_HOME"):
        labs.find("web")
    with pytest.raises(LabError, match="set LATEEN_HOME"):
        labs.every()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o755, 0o700])
def test_a_guessable_directory_must_be_ours_alone(
    mode: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In /tmp anyone may have made it before."""
    root = Path(f"/tmp/lateen-test-{os.getpid()}")
    monkeypatch.setenv("LATEEN_HOME", str(home))
    monkeypatch.setattr(paths, "run_root", lambda: root)
    root.mkdir()
    try:
        root.chmod(mode)
        if mode & 0o022:
            with pytest.raises(ValueError, match="not yours alone"):
                paths.lab_paths("web")
        else:
            assert paths.lab_paths("web").run == root / "web"
    finally:
        root.rmdir()


@pytest.mark.parametrize("mode", [0o777, 0o700])
def test_what_another_may_have_prepared_is_not_used(
    mode: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = home / "above"
    monkeypatch.setenv("LATEEN_HOME", str(above / "home"))
    above.mkdir()
    above.chmod(mode)
    if mode & 0o022:
        with pytest.raises(ValueError, match=f"{above} is not yours alone"):
            paths.lab_paths("web")
    else:
        assert paths.lab_paths("web").run == above / "home" / "run" / "web"


@pytest.mark.parametrize("name", ["run", "run/web", "state", "state/web"])
def test_a_link_in_a_labs_place_is_not_followed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATEEN_HOME", str(tmp_path / "home"))
    (tmp_path / "theirs").mkdir()
    place = tmp_path / "home" / name
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "theirs")
    with pytest.raises(ValueError, match=f"{place} is not yours alone"):
        paths.lab_paths("web")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_directory_that_is_another_users_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATEEN_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "run").mkdir(parents=True)
    os.chown(tmp_path / "home" / "run", 1, 1)
    with pytest.raises(ValueError, match="not yours alone"):
        paths.lab_paths("web")


def test_looking_does_not_keep_a_lab_from_being_started(place: LabPaths) -> None:
    lock = labs.hold(place)
    os.close(lock)
    with place.lock.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.05, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        lock = labs.hold(place)
    assert lock >= 0
    os.close(lock)


def test_two_who_look_do_not_take_each_other_for_the_lab(place: LabPaths) -> None:
    os.close(labs.hold(place))
    place.supervisor.write_text("1\n")  # left by one that was killed
    with place.lock.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert labs.find("web") is None


def test_who_starts_forgets_the_process_of_one_that_was_killed(place: LabPaths) -> None:
    os.close(labs.hold(place))
    place.supervisor.write_text("1\n")
    lock = labs.hold(place)
    assert not place.supervisor.exists()
    os.close(lock)


def test_what_somebody_has_started_meanwhile_is_not_swept(place: LabPaths) -> None:
    lock = labs.hold(place)
    assert not labs.sweep(place, keep=False)
    assert place.state.is_dir()
    os.close(lock)
    assert labs.sweep(place, keep=False)
    assert not place.state.exists()
    assert not labs.sweep(place, keep=False)


def test_a_lock_that_was_swept_away_is_not_taken_for_the_labs(place: LabPaths) -> None:
    """Who waits for the lock has the old file open when `down` removes it."""
    held = labs.hold(place)
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(labs.hold(place)))
    waiting.start()
    threading.Event().wait(0.05)
    labs._sweep(place, keep=False)
    os.close(held)
    waiting.join()
    assert found[0] >= 0
    assert os.path.samestat(os.fstat(found[0]), place.lock.stat())
    assert place.state.is_dir()
    os.close(found[0])


def test_who_starts_waits_for_who_takes_the_lab_down(place: LabPaths) -> None:
    os.close(labs.hold(place))
    at_work, go_on = threading.Event(), threading.Event()

    def down() -> None:
        with labs._taking_down(place):
            at_work.set()
            go_on.wait(10)

    ending = threading.Thread(target=down)
    ending.start()
    assert at_work.wait(10)
    starting = threading.Thread(target=lambda: labs._await_down(place))
    starting.start()
    starting.join(0.1)
    assert starting.is_alive()
    go_on.set()
    starting.join(10)
    ending.join(10)
    assert not starting.is_alive()


def test_a_down_that_does_not_end_is_told(place: LabPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(labs.hold(place))
    monkeypatch.setattr(labs, "_DOWN_WAIT", 0.05)
    with labs._taking_down(place), pytest.raises(labs.LabError, match="is being taken down"):
        labs._await_down(place)
    labs._await_down(place)
