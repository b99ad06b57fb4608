"""`lateen images`: every image once, with what its ports speak."""

import json
import os
import shutil

import pytest

from lateen.cli.lab import images
from lateen.node.images import catalogue


def test_every_image_is_listed_with_its_ports(capsys: pytest.CaptureFixture[str]) -> None:
    assert images.images((), "") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["IMAGE", "STAND-IN", "PORTS", "DIFFERS"]
    assert [line.split()[0] for line in lines[1:]] == sorted(catalogue.CATALOGUE)
    (demo,) = [line for line in lines if line.startswith("oriolfilter/https-nginx-demo ")]
    assert "80 HTTP/1.1, 443 HTTP/1.1 + HTTP/2 over TLS" in demo


def test_words_choose_and_json_has_the_facts(capsys: pytest.CaptureFixture[str]) -> None:
    assert images.images(("bookinfo", "mysql"), "json") == 0
    (row,) = json.loads(capsys.readouterr().out)["images"]
    assert row["image"] == "istio/examples-bookinfo-mysqldb"
    assert row["ports"][0]["first"] == "server"
    assert row["speaks"] == "3306 TCP, the server speaks first"
    assert images.images(("no-such",), "") == 1
    assert "no-such" in capsys.readouterr().err


def test_a_terminal_wraps_what_differs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda _: os.terminal_size((90, 9)))
    assert images.images(("go-httpbin",), "") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 2
    assert all(len(line) <= 90 for line in lines)
