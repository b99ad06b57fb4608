"""What a folder would open of the host, and when its person is asked about it again."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from lateen.app.lab import consent
from lateen.app.lab.settings import LabSettings


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LATEEN_HOME", str(tmp_path / "home"))
    file = tmp_path / "app" / "run.sh"
    file.parent.mkdir()
    file.write_text("exec sleep 1\n")
    return file


def wishes(
    script: Path, *host_paths: str, images: dict[str, list[str]] | None = None
) -> LabSettings:
    return LabSettings(
        lab="a",
        istio="1.28",
        user=1000,
        directory="/somewhere",
        images={"mine": ["sh", str(script)]} if images is None else images,
        host_paths=list(host_paths),
    )


def test_what_opens_nothing_is_not_asked_for(script: Path) -> None:
    harmless = wishes(script, images={"a": ["python3", "-m", "http.server"], "b": ["/usr/bin/env"]})
    assert not consent.opening(harmless)
    assert consent.opening(wishes(script, "/", images={})).lines == (
        "/, read and written, by hostPaths",
    )


def test_consent_is_to_these_wishes_and_these_files(script: Path) -> None:
    asked = wishes(script, "/srv/data")
    key = consent.digest(asked)
    assert not consent.is_given(key)
    consent.give(key)
    assert consent.is_given(consent.digest(wishes(script, "/srv/data")))
    for other in (wishes(script, "/srv"), wishes(script), wishes(script, "/srv/data", "/")):
        assert not consent.is_given(consent.digest(other))
    script.write_text("rm -r /srv/data\n")
    assert not consent.is_given(consent.digest(asked)), "what would run is another"


def test_ways_out_are_asked_for_each(script: Path) -> None:
    plain = wishes(script, images={})
    ways = {
        "egress": (True, "the internet, reached by TCP, by egress"),
        "dns_forward": ("9.9.9.9", "9.9.9.9, asked for names, by dnsForward"),
        "mirrors": (
            {"docker.io": ["10.0.0.9:5000"]},
            "10.0.0.9:5000, asked for images of docker.io, by registryMirrors",
        ),
    }
    for name, (value, line) in ways.items():
        asked = replace(plain, **{name: value})
        assert consent.opening(asked).lines == (line,)
        assert consent.digest(asked) != consent.digest(plain)
    narrow, wide = (
        replace(plain, egress=True, egress_private=[one]) for one in ("10.20.0.0/16", "10.0.0.0/8")
    )
    assert "10.0.0.0/8, reached by TCP, by egressPrivate" in consent.opening(wide).lines
    consent.give(consent.digest(narrow))
    assert not consent.is_given(consent.digest(wide))


def test_what_was_agreed_to_is_nobody_elses_to_say(script: Path) -> None:
    consent.give("a")
    place = script.parents[1] / "home" / "state" / "trusted"
    assert place.stat().st_mode & 0o777 == 0o600
    place.unlink()
    place.symlink_to(script)
    with pytest.raises(OSError, match=r".*"):
        consent.give("b")
    assert "b" not in script.read_text().split()
    assert os.path.lexists(place)
