"""Settings of all tests, and the order in which files are handed to workers."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Begun in a shell's background: what the tests start would ignore Ctrl-C too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # Begun under nohup: commands leave a hangup that is ignored ignored, and they are right.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# How long an example takes says how busy the machine is: timings belong in `bench/`.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

LONGEST = ("test_kubectl_sessions.py", "test_kubectl_lab.py", "test_lifecycle.py")
"""The end-to-end tests that take a minute each. A file stays on one worker, which makes its lab
once: what is long begins first, and the run ends with what is short on all workers together."""


STRUCTURE = "tests/structure"
"""The folder whose tests all look at the same trees."""


class Files(LoadFileScheduling):
    """A file stays on one worker, and so does the folder whose tests parse the source once."""

    def _split_scope(self, nodeid: str) -> str:
        return STRUCTURE if nodeid.startswith(f"{STRUCTURE}/") else str(nodeid.split("::", 1)[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Files | None:
    """Hand out what has to stay together, where files stay together."""
    return Files(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, then the other end-to-end tests, structure, then the rest."""
    items.sort(key=lambda item: _rank(item.path))


def _rank(path: Path) -> int:
    if path.parent.name != "e2e":
        return len(LONGEST) + (1 if path.parent.name == "structure" else 2)
    return LONGEST.index(path.name) if path.name in LONGEST else len(LONGEST)
