"""What travelled is shown, and commands no terminal."""

from typing import Any

import pytest

from lateen.cli.terminal import screen
from lateen.cli.traffic import capture, curl
from lateen.model.labapi.traffic import Flow
from lateen.observe.ends import Places
from lateen.observe.packets.flowfilter import FlowFilter

HOSTILE = "/a\x1b]0;title\x07\x9b2J\x7f\nline\tend"
SHOWN = r"/a\x1b]0;title\x07\x9b2J\x7f\x0aline"


def test_control_characters_are_written_out() -> None:
    assert screen.visible(HOSTILE) == f"{SHOWN}\tend"
    assert screen.visible("ä→ \u00a0") == "ä→ \u00a0"


def test_a_captured_path_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    flow = Flow(
        time=0.0,
        pod="default/a",
        leg="wire",
        client="10.0.0.1:1",
        server="10.0.0.2:80",
        event="request",
        tls="none",
        kind="HTTP/1",
        method="GET",
        path=HOSTILE,
    )
    capture.Printer(capture.CaptureOptions(), FlowFilter(), Places(())).show(flow)
    assert SHOWN in (out := capsys.readouterr().out)
    assert out.count("\n") == 1
    assert "\x1b" not in out


def test_a_told_body_and_log_are_lines() -> None:
    end = {"name": "default/a", "address": "10.0.0.1:1", "role": "sidecar"}
    leg: dict[str, Any] = {
        "failed": False,
        "from": end,
        "to": end,
        "name": "client -> sidecar",
        "line": HOSTILE,
        "server_log": {"line": HOSTILE},
    }
    answer = {
        "request": {"method": "GET", "url": "http://a/"},
        "response": {
            "status": 200,
            "error": "",
            "seconds": 0.1,
            "http": "HTTP/1.1",
            "body": "\x1b[2J",
        },
        "legs": [leg],
        "calls": [{"caller": HOSTILE, "request": "GET /", "status": 0, "legs": [leg], "calls": []}],
        "verdict": {
            "sentence": HOSTILE,
            "sources": [],
            "remedies": [{"text": HOSTILE, "edits": []}],
            "hints": [HOSTILE],
            "rejected": [{"proxy": "a", "text": HOSTILE}],
            "findings": [
                {"level": "Error", "code": "X", "location": "", "object": "a", "message": HOSTILE}
            ],
        },
    }
    told = curl.format_answer(answer)
    assert told.count(SHOWN) == 9
    assert r"\x1b[2J" in told
    assert "\x1b" not in told
