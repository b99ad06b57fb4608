"""The ledger: written before, forgotten after, and only the recorded is removed."""

from pathlib import Path

import pytest

from lateen.node.net.ledger import Ledger, LedgerEntry

ONE = LedgerEntry("lateen01", "02:00:00:00:00:01", "172.30.1.0/24")
TWO = LedgerEntry("lateen02", "02:00:00:00:00:02", "172.30.2.0/24")


def test_entries_survive_the_writer(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.json").record(ONE)
    Ledger(tmp_path / "ledger.json").record(TWO)
    assert Ledger(tmp_path / "ledger.json").entries() == (ONE, TWO)
    assert (tmp_path / "ledger.json").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_removed_stays_recorded(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "ledger.json")
    book.record(ONE)
    book.record(TWO)
    gone: list[LedgerEntry] = []

    def remove(entry: LedgerEntry) -> None:
        if entry == TWO:
            raise OSError("busy")
        gone.append(entry)

    with pytest.raises(OSError, match="busy"):
        book.settle(remove)
    assert gone == [ONE]
    assert book.entries() == (TWO,)


def test_a_write_that_was_cut_short_leaves_the_old_ledger(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "ledger.json")
    book.record(ONE)
    (tmp_path / "ledger.new").write_text('{"links": [{"na')
    assert book.entries() == (ONE,)
    book.record(TWO)
    assert book.entries() == (ONE, TWO)


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.json").write_text('{"links": [{"who": 1}]}')
    with pytest.raises(ValueError, match=r"ledger\.json is not a ledger.*ip link"):
        Ledger(tmp_path / "ledger.json").entries()
