"""What `lateen curl` asks the lab to send, from options that are curl's; and what it refuses."""

import base64
import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from lateen.cli.traffic import commands, curl

URL = "http://web/"


def asked(**given: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(
        curl.request_body(curl.CurlOptions(url=URL, **given))
    )
    return found


def body(**given: Any) -> bytes:
    return base64.b64decode(asked(**given)["body_base64"])


def test_a_body_makes_a_post_of_a_form_as_in_curl(tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(b"a\r\nb\n\xff\0")
    assert body() == b""
    assert body(data=["a=1", "b=2"]) == b"a=1&b=2"
    assert body(data=[f"@{file}"]) == b"ab\xff"
    assert body(data_binary=[f"@{file}", "x"]) == b"a\r\nb\n\xff\0&x"
    assert body(data_raw=["@x"]) == b"@x"
    found = asked(data=["a"])
    assert found["method"] == "POST"
    assert found["headers"] == (("Content-Type", "application/x-www-form-urlencoded"),)
    assert asked(data=["a"], headers=["content-type: text/plain"], method="PUT")["headers"] == (
        ("content-type", "text/plain"),
    )


def test_a_body_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    for option, read in (("data", b"xy"), ("data_binary", b"x\ny")):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"x\ny")))
        assert body(**{option: ["@-"]}) == read


def test_the_method_is_what_was_asked_for() -> None:
    assert asked()["method"] == "GET"
    assert asked(head=True)["method"] == "HEAD"
    assert asked(method="PURGE")["method"] == "PURGE"
    assert asked(data=[""])["method"] == "POST"


def test_resolve_is_read_as_curl_reads_it() -> None:
    assert asked(resolve=["a.example:443:10.0.0.1"])["resolve"] == {"a.example:443": "10.0.0.1"}


WRONG = {
    "-X|A B": "a method is one word",
    "-H|no colon": "Name: value",
    "-H|a b: c": "Name: value",
    "-H|a: b\nc: d": "in one line",
    "--resolve|a:80": "HOST:PORT:ADDRESS",
    "--resolve|a:80:b": "HOST:PORT:ADDRESS",
    "--resolve|a:80:::1": "IPv4",
    "--resolve|a:x:10.0.0.1": "HOST:PORT:ADDRESS",
    "-d|@/no/such/file": "/no/such/file: No such file",
    "-d|a|--data-raw|b": "use one of",
    "-I|-d|a": "-X HEAD",
    "-n|0": "0 is not in the range",
    "-n|x": "not a valid integer",
    "-m|0": "it must be more than 0",
    "-o|yaml": "use json",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_cannot_be_sent_is_told_before_anything_is_sent(line: str) -> None:
    done = CliRunner().invoke(commands.curl, [*line.split("|"), URL], standalone_mode=False)
    said = done.output if done.exception is None else str(done.exception)
    assert WRONG[line] in said
    assert done.exception is not None or done.return_value == 64


def test_a_header_without_a_value_is_left_out_and_with_a_semicolon_sent_empty() -> None:
    found = asked(headers=["User-Agent:", "X-Empty;", "X-Full: a"])
    assert found["headers"] == (("X-Empty", ""), ("X-Full", "a"))
    assert found["without"] == ("User-Agent",)
