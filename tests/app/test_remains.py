"""Files of a kept lab that cannot be used are named before anything starts."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lateen.app.lab import lab, remains
from lateen.app.lab.paths import LabPaths


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabPaths:
    """A lab that was kept."""
    monkeypatch.setenv("LATEEN_HOME", str(tmp_path))
    made = LabPaths("kept", tmp_path / "state" / "kept", tmp_path / "run" / "kept")
    for directory in (made.authority, made.logs, made.run):
        directory.mkdir(parents=True)
    with sqlite3.connect(made.store) as connection:
        connection.execute("CREATE TABLE revisions (revision)")
    connection.close()
    made.kubeconfig.write_text("kind: Config\n")
    made.ledger.write_text('{"links": []}')
    made.settings.write_text("{}")
    for name in ("root.pem", "intermediate.pem"):
        (made.authority / name).write_text("a key")
    return made


def directory(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


DAMAGES: dict[str, tuple[Callable[[LabPaths], Path], Callable[[Path], object], str]] = {
    "empty store": (lambda p: p.store, lambda f: f.write_bytes(b""), "is empty"),
    "other store": (lambda p: p.store, lambda f: f.write_bytes(b"x" * 99), "not a database"),
    "store": (lambda p: p.store, directory, "is a directory"),
    "kubeconfig": (lambda p: p.kubeconfig, directory, "is a directory"),
    "settings": (lambda p: p.settings, directory, "is a directory"),
    "root": (lambda p: p.authority / "root.pem", directory, "is a directory"),
    "ledger": (lambda p: p.ledger, directory, "is a directory"),
    "other ledger": (lambda p: p.ledger, lambda f: f.write_bytes(b"\xff{"), "is not a list"),
    "empty ledger": (lambda p: p.ledger, lambda f: f.write_bytes(b""), "is not a list"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_is_named_and_down_removes_it(paths: LabPaths, case: str) -> None:
    assert remains.damage(paths) == ""
    which, spoil, says = DAMAGES[case]
    spoil(which(paths))
    said = remains.damage(paths)
    assert str(which(paths)) in said
    assert says in said
    assert lab.sweep(paths, keep=False)
    assert not paths.state.exists()


def test_an_authority_that_is_a_file_is_named(paths: LabPaths) -> None:
    for path in paths.authority.iterdir():
        path.unlink()
    paths.authority.rmdir()
    paths.authority.write_text("x")
    assert "is a file where a directory belongs" in remains.damage(paths)


def test_a_store_that_was_never_written_to_is_no_loss(paths: LabPaths) -> None:
    paths.store.write_bytes(b"")
    paths.kubeconfig.unlink()
    assert remains.damage(paths) == ""
