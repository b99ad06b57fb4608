"""The page in a real browser, on a real lab: one of both for the whole module."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest

from lateen.model.labapi import contract
from tests.e2e.conftest import make_lab as make_lab
from tests.e2e.labs import ROOT, WALKTHROUGH, Lab

BROWSER = shutil.which("chromium-headless-shell") or shutil.which("chromium")
try:
    from axe_playwright_python.base import AXE_SCRIPT
    from playwright.sync_api import Browser, Page, expect, sync_playwright
except ImportError:
    BROWSER = None
MISSING = (
    "no browser: apt-get install -y chromium-headless-shell && .venv/bin/pip install -e .[dev]"
)
pytestmark = [pytest.mark.e2e, pytest.mark.skipif(BROWSER is None, reason=MISSING)]

URL = "http://istio-ingressgateway"
FAILS = f"{URL}/https-mTLS"
SHOTS = ROOT / "docs" / "page"


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("page")
    made.ok("up", str(WALKTHROUGH), "--istio", "1.17")
    for path in ("http-mTLS", "https-mTLS", "http-no-mTLS", "https-no-mTLS"):
        made.lateen("curl", f"{URL}/{path}")
    return made


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with sync_playwright() as started:
        made = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield made
        made.close()


def opened(lab: Lab, view: str = "mesh") -> str:
    return lab.ok("page", "--no-browser", "--view", view).strip()


@pytest.fixture
def page(lab: Lab, browser: "Browser") -> "Iterator[Page]":
    """A page that is open; whatever its console says, or where else it turns to, is a failure."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    made = context.new_page()
    said: list[str] = []
    made.on("console", lambda told: said.append(told.text) if told.type == "error" else None)
    made.on("pageerror", lambda error: said.append(str(error)))
    made.on("request", lambda asked: said.append(asked.url) if _away(asked.url) else None)
    made.goto(opened(lab))
    expect(made.get_by_text("live", exact=True)).to_be_visible()
    yield made
    context.close()
    # Other labs' links come and go on this host while the browser loads.
    assert [each for each in said if "ERR_NETWORK_CHANGED" not in each] == []


def _away(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "file") and parts.hostname != "127.0.0.1"


def at(page: "Page", path: str) -> None:
    parts = urlsplit(page.url)
    page.goto(f"{parts.scheme}://{parts.netloc}{path}")


def test_the_mesh_shows_what_travelled_and_problems_first(lab: Lab, page: "Page") -> None:
    edge = page.get_by_role("button", name=re.compile("^istio-ingressgateway to helloworld-mtls"))
    expect(edge).to_have_count(2)
    names = [each.get_attribute("aria-label") or "" for each in edge.all()]
    assert any("port 443, TLS, " in name for name in names)
    assert any("port 80, mutual TLS, " in name for name in names)
    expect(page.locator(".problems li").first).to_contain_text("failed, TLS")
    assert "#" not in page.url
    page.screenshot(path=SHOTS / "mesh.png") if os.environ.get("UPDATE_DOCS") else None


def test_the_configured_mode_is_a_word(lab: Lab, page: "Page") -> None:
    at(page, "/mesh?sel=default%2Fhelloworld-mtls")
    row = page.locator("aside dl div", has_text="Accepts").locator("dd")
    expect(row).to_have_text("STRICT")
    text = (WALKTHROUGH / "PeerAuthentication.yaml").read_text(encoding="utf-8")
    lab.ok("apply", "-f", "-", stdin=text.replace("STRICT", "PERMISSIVE"))
    expect(row).to_have_text("PERMISSIVE")
    lab.ok("apply", "-f", str(WALKTHROUGH))
    expect(row).to_have_text("STRICT")


def test_graph_and_table_say_the_same(page: "Page") -> None:
    graph = {each.get_attribute("aria-label") for each in page.locator("g.edge").all()}
    at(page, "/mesh?as=table")
    rows = page.locator("button.row")
    expect(rows).to_have_count(len(graph))
    assert {each.get_attribute("aria-label") for each in rows.all()} == graph


def test_a_request_by_the_command_shows_without_reload(lab: Lab, page: "Page") -> None:
    at(page, "/mesh?as=table")
    row = page.locator("tr", has_text="mutual TLS")
    before = int(row.locator("td").nth(3).inner_text())
    lab.ok("curl", f"{URL}/http-mTLS")
    expect(row.locator("td").nth(3)).to_have_text(str(before + 1))


def test_a_url_fills_the_form_and_only_send_sends(lab: Lab, page: "Page") -> None:
    asked: list[str] = []
    page.on("request", lambda each: asked.append(each.url) if each.method == "POST" else None)
    at(page, f"/request?url={FAILS}")
    expect(page.get_by_label("URL")).to_have_value(FAILS)
    assert asked == []
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("no-mesh-certificate")).to_be_visible()
    told = json.loads(lab.lateen("curl", FAILS, "-o", "json").stdout)
    expect(page.locator(".verdict")).to_contain_text(told["verdict"]["sentence"])
    expect(page.locator("g.step")).to_have_count(len(told["legs"]))
    page.screenshot(path=SHOTS / "request.png") if os.environ.get("UPDATE_DOCS") else None
    page.get_by_role("button", name="Decided by").click()
    for source in told["verdict"]["sources"]:
        expect(page.get_by_text(source["location"], exact=True).first).to_be_visible()
    expect(page.locator(".line.on").first).to_contain_text("tls")


def test_flows_come_as_they_happen(lab: Lab, page: "Page") -> None:
    with page.expect_response(lambda answer: contract.TAP.path in answer.url):
        at(page, "/flows?q=flown&tls=mtls")
    lab.ok("curl", f"{URL}/http-mTLS?flown")
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("mutual TLS")


def test_an_object_shows_its_diagnostic_at_its_line(page: "Page") -> None:
    at(page, "/objects/default/DestinationRule/helloworld.default.svc.cluster.local")
    marked = page.locator("li.warn", has_text="IST0129")
    expect(marked.locator(".line")).to_have_text(re.compile(r"^\s+tls:$"))
    expect(marked).to_contain_text("DestinationRule.yaml:20")


def test_the_posture_is_the_commands(lab: Lab, page: "Page") -> None:
    told = json.loads(lab.lateen("posture", "--lab", "page", "-o", "json").stdout)
    number = sum(len(cell["classes"]) for cell in told["cells"])
    at(page, "/posture")
    expect(page.get_by_text(f"{number} classes of requests")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("row")).to_have_count(number + 1)
    page.get_by_label("Only").select_option("broken")
    broken = json.loads(lab.lateen("posture", "--only", "broken", "-o", "json").stdout)
    kinds = sum(len(cell["classes"]) for cell in broken["cells"])
    expect(page.get_by_role("row")).to_have_count(kinds + 1, timeout=30_000)
    expect(page.get_by_text("lateen posture --only broken")).to_be_visible()


def test_a_draft_is_applied_only_after_it_was_previewed(lab: Lab, page: "Page") -> None:
    at(page, "/objects/default/PeerAuthentication/force-mtls?mode=edit")
    text = page.get_by_label("Draft of PeerAuthentication/force-mtls")
    apply = page.get_by_role("button", name="Apply")
    expect(apply).to_be_disabled()
    text.fill(text.input_value().replace("mode: STRICT", "mode: SOMETIMES"))
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("alert")).to_contain_text("SOMETIMES", timeout=30_000)
    text.fill(text.input_value().replace("mode: SOMETIMES", "mode: PERMISSIVE"))
    page.get_by_role("button", name="Preview").click()
    shown = page.get_by_role("region", name="Preview")
    expect(shown).to_contain_text("+    mode: PERMISSIVE".replace("    ", "  "), timeout=30_000)
    expect(shown).to_contain_text("less secure")
    assert "STRICT" in lab.kubectl("get", "peerauthentication", "force-mtls", "-o", "yaml").stdout
    apply.click()
    expect(page.get_by_role("button", name="Edit a draft")).to_be_visible(timeout=30_000)
    expect(page.get_by_label("The object as YAML")).to_contain_text("mode: PERMISSIVE")
    lab.ok("apply", "-f", str(WALKTHROUGH))


def test_by_keyboard_alone(page: "Page") -> None:
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Close details")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name=re.compile("^Problems"))).to_be_visible()
    page.locator("svg.graph [tabindex='0']").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator("aside h2")).to_contain_text("istio-ingressgateway")
    page.keyboard.press("g")
    page.keyboard.press("f")
    expect(page).to_have_url(re.compile("/flows$"))
    expect(page.get_by_role("region", name="Flows")).to_be_visible()


def test_narrow_only_tables_scroll_sideways(page: "Page") -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    for path in ("/mesh", "/request", "/flows", "/posture", "/objects"):
        at(page, path)
        expect(page.locator("main")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_a_saved_page_opens_from_disk(lab: Lab, browser: "Browser") -> None:
    file = lab.home / "lab.html"
    lab.ok("page", "--save", str(file))
    said: list[str] = []
    made = browser.new_page()
    made.on("console", lambda told: said.append(told.text) if told.type == "error" else None)
    made.on("pageerror", lambda error: said.append(str(error)))
    made.goto(file.as_uri())
    expect(made.locator("g.edge").first).to_be_visible()
    expect(made.get_by_text("saved", exact=True)).to_be_visible()
    made.close()
    assert said == []


def test_a_lab_without_a_page_loads_none_of_it() -> None:
    program = "import sys, lateen.app.plane, lateen.app.meshplane\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    found: Any = done.stdout.split()
    assert not [name for name in found if name.startswith(("lateen.page", "lateen.app.paging"))]


AXE = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
VIEWS = (
    "/mesh",
    "/mesh?as=table",
    "/mesh?sel=istio-system%2Fistio-ingressgateway",
    f"/request?url={FAILS}",
    "/flows",
    "/posture",
    "/objects",
    "/objects/default/DestinationRule/helloworld.default.svc.cluster.local",
)


def violations(page: "Page") -> list[str]:
    """Return what axe finds, each with the rule and the element."""
    found = page.evaluate(
        "tags => axe.run({runOnly: tags}).then(r => r.violations.flatMap("
        "v => v.nodes.map(n => `${v.id}: ${n.html.slice(0, 160)}`)))",
        AXE,
    )
    return [str(each) for each in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_nothing(page: "Page", theme: Literal["light", "dark"], width: int) -> None:
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 800})
    found: dict[str, list[str]] = {}
    for path in VIEWS:
        at(page, path)
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        if path.startswith("/request"):
            page.get_by_role("button", name="Send", exact=True).click()
            expect(page.locator(".verdict")).to_be_visible()
        page.evaluate(AXE_SCRIPT)
        if bad := violations(page):
            found[path] = bad
    assert found == {}


def test_what_workloads_say_is_text(lab: Lab, page: "Page") -> None:
    hostile = "/%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E%3Cscript%3Ealert(1)%3C/script%3E"
    before = page.locator("script").count()
    at(page, "/flows")
    with page.expect_response(lambda answer: contract.TAP.path in answer.url):
        page.reload()
    lab.lateen("curl", URL + hostile)
    expect(page.locator("tbody tr").first).to_contain_text("onerror")
    at(page, f"/request?url={URL}{hostile.replace('%', '%25')}&ns=<b>x</b>&odd=<i>")
    expect(page.locator(".banner")).to_contain_text("odd")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".verdict, .alert").first).to_be_visible()
    assert page.locator("img, #page i, #page b").count() == 0
    assert page.locator("script").count() == before


def test_one_tab_reads_for_all_and_another_takes_its_place(lab: Lab, page: "Page") -> None:
    at(page, "/mesh?as=table")
    tabs = [page.context.new_page() for _ in range(9)]
    reading: list[str] = []
    for tab in tabs:
        tab.on("request", lambda one: reading.append(one.url) if "/live" in one.url else None)
        tab.goto(page.url)
        expect(tab.locator("tbody tr").first).to_be_visible()
    assert reading == []
    page.goto("about:blank")
    lab.ok("curl", f"{URL}/http-mTLS")
    for tab in tabs:
        expect(tab.get_by_text("live", exact=True)).to_be_visible()
    lab.ok("curl", f"{URL}/http-mTLS")
    told = json.loads(lab.ok("edges", "-o", "json"))["edges"]
    wanted = next(str(each["requests"]) for each in told if each["tls"] == "mtls")
    for tab in tabs:
        cell = tab.locator("tr", has_text="mutual TLS").locator("td").nth(3)
        expect(cell).to_have_text(wanted)
    assert len(reading) == 1
    for tab in tabs:
        tab.close()


def test_a_plane_that_ends_is_said_and_found_again(lab: Lab, browser: "Browser") -> None:
    made = browser.new_page()
    made.goto(opened(lab))
    expect(made.get_by_text("live", exact=True)).to_be_visible()
    plane = next(pid for pid, words in lab.processes().items() if _is_plane(words))
    os.kill(plane, signal.SIGKILL)
    expect(made.get_by_text("reconnecting")).to_be_visible(timeout=6000)
    expect(made.get_by_text("live", exact=True)).to_be_visible(timeout=20000)
    made.close()


def _is_plane(words: list[str]) -> bool:
    return any("app.plane" in word for word in words)


def test_a_code_is_good_once_and_nobody_else_gets_in(lab: Lab) -> None:
    url = urlsplit(opened(lab))
    code = json.dumps({"code": url.fragment.partition("=")[2]})
    token = next(lab.home.rglob("page.token")).read_text(encoding="ascii").strip()

    def ask(method: str, path: str, body: str = "", **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body or None, given)
        return connection.getresponse()

    js = "application/json"
    first = ask("POST", contract.PAGE_KEY.path, code, content_type=js)
    assert json.loads(first.read()) == {"token": token}
    assert ask("POST", contract.PAGE_KEY.path, code, content_type=js).status == 401
    bearer = f"Bearer {token}"
    assert ask("GET", contract.STATUS.path).status == 401
    assert ask("GET", contract.STATUS.path, authorization=bearer).status == 200
    assert ask("GET", "/mesh", host="evil.example").status == 421
    lab.ok("page", "--no-browser", "--allow-host", "lab.example")
    assert ask("GET", "/mesh", host="lab.example").status == 200
    assert ask("GET", "/mesh", host="evil.example").status == 421
    secret = ask("GET", "/api/v1/secrets", authorization=bearer)
    assert secret.status == 403
    for kind, group, code in (("Secret", "v1", 403), ("Gateway", "networking.istio.io/v1", 409)):
        text = f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: new}}\nspec: {{}}\n"
        draft = json.dumps({"text": text, "apply": True})
        path = contract.DRAFT.path
        assert ask("POST", path, draft, authorization=bearer, content_type=js).status == code
    for answer in (first, secret, ask("GET", "/mesh")):
        assert "script-src 'self'" in (answer.getheader("content-security-policy") or "")
        assert answer.getheader("set-cookie") is None
    lab.ok("page", "--stop")
    with pytest.raises(ConnectionRefusedError):
        ask("GET", "/mesh")
