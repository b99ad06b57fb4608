"""What this machine allows: the trials themselves, and what their outcomes mean."""

import os

import pytest

from lateen.node.kernel import trials, verdicts
from lateen.node.kernel.verdicts import Machine, State
from lateen.node.permission import Facts

WORKS = dict.fromkeys(("namespaces", "users", *verdicts._MEANING), "")


def machine(**changes: object) -> Machine:
    given = {
        "system": "Linux",
        "release": "6.18",
        "facts": Facts(),
        "trials": WORKS,
        "administers": True,
    }
    return Machine(**{**given, **changes})


def by_subject(of: Machine) -> dict[str, verdicts.Capability]:
    return {verdict.subject: verdict for verdict in verdicts.of_machine(of)}


def test_where_all_works_nothing_is_advised() -> None:
    found = by_subject(machine())
    assert {verdict.state for verdict in found.values()} == {State.GOOD}
    assert not any(verdict.remedies for verdict in found.values())


@pytest.mark.parametrize("trial", verdicts._MEANING)
def test_a_failed_trial_names_the_reason_and_a_remedy(trial: str) -> None:
    found = by_subject(machine(trials={**WORKS, trial: "Operation not permitted"}))
    (failed,) = (verdict for verdict in found.values() if verdict.state is not State.GOOD)
    assert "Operation not permitted" in failed.text
    assert failed.remedies
    assert (failed.state is State.BAD) == (trial == "capture rules")


def test_without_namespaces_the_cause_is_told_and_nothing_else_is_guessed() -> None:
    facts = Facts(apparmor_restricts=1)
    found = by_subject(machine(facts=facts, trials={"namespaces": "unshare 1"}))
    assert found["namespaces"].state is State.BAD
    assert "AppArmor" in found["namespaces"].text
    assert any("sysctl" in remedy for remedy in found["namespaces"].remedies)
    assert "overlayfs" not in found


def test_an_ordinary_user_has_one_id_or_subordinate_ones() -> None:
    failed = {**WORKS, "users": "only one user id can be had"}
    found = by_subject(machine(administers=False, trials=failed))["user ids"]
    assert found.state is State.LESS
    assert "runAsUser" in found.text
    assert "no subordinate ids" in found.text
    given = by_subject(machine(administers=False, trials=failed, subordinate=65536))["user ids"]
    assert "newuidmap does not give them out" in given.text
    assert "usermod --add-subuids" in given.remedies[0]
    assert by_subject(machine(administers=False))["user ids"].state is State.GOOD


def test_a_containers_walls_are_those_that_it_has() -> None:
    whole = verdicts.of_container("0 1891303424 65536\n", "2")
    assert whole.state is State.GOOD
    assert "uid 1891303424 of this machine (65536 ids), system calls are filtered" in whole.text
    for ids, seccomp in (
        ("0 0 65536", "2"),
        ("0 1000 1", "2"),
        ("0 1000 1\n1 100000 65535", "2"),
        ("0 1891303424 65536", "0"),
    ):
        less = verdicts.of_container(ids, seccomp)
        assert less.state is State.LESS
        assert "[LTN0179]" in less.text
        assert less.remedies


def test_subordinate_ids_are_a_users_own() -> None:
    text = "# comment\nanna:100000:65536\n1000:200000:10\nbob:1:5\nanna:broken\n"
    assert verdicts.subordinate_ids(text, ("1000", "anna")) == 65546
    assert verdicts.subordinate_ids("", ("anna",)) == 0


@pytest.mark.netns
def test_the_trials_end_with_what_they_made() -> None:
    """They are made where labs are made: what fails here would fail a lab."""
    before = set(os.listdir("/tmp")), os.stat("/proc/self/ns/net").st_ino
    found = trials.run()
    assert found["namespaces"] == ""
    assert (
        found["container ids"] == ""
        if os.getuid() == 0
        else "one user id" in found["container ids"]
    )
    assert set(found) == set(WORKS)
    assert found["capture rules"] == ""
    assert os.stat("/proc/self/ns/net").st_ino == before[1]
    assert not {name for name in set(os.listdir("/tmp")) - before[0] if "lateen-check" in name}
