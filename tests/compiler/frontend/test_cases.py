"""Golden cases: manifests in, the parts of the IR that a case is about out.

A case is a folder `cases/<feature>/<case>` with `in.yaml` and `out.yaml`. The first document of
`in.yaml` says what is looked at: `select`, a list of `<pod> <attribute path> [<name or port>]`,
where the pod is told by the beginning of its name, or `diagnostics`; and, if needed, `view` (of
listed things these attributes only), `istio` (a version), `gateway: true` (add an ingress gateway)
and `settings`. Rewrite with --golden-update.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

CASES = Path(__file__).parent / "cases"
FOLDERS = sorted(path.parent for path in CASES.glob("*/*/in.yaml"))


class Plain(yaml.SafeDumper):
    """Writes shared values out instead of as aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _selected(built: Any, selector: str) -> Any:
    if selector == "diagnostics":
        return [str(finding) for finding in built.mesh.diagnostics]
    pod, path, *wanted = selector.split(" ", 2)
    value = built.view(pod)
    for attribute in path.split("."):
        value = getattr(value, attribute)
    if wanted:
        value = [item for item in value if wanted[0] in _names(item)]
        assert value, f"nothing is called {wanted[0]}"
    return value


def _narrowed(value: Any, view: list[str] | None) -> Any:
    """Return of each item the wanted attributes by the item's cluster; `a.b` is b of each a."""
    if view is None or not isinstance(value, tuple):
        return value
    return {item.cluster: {path: _attribute(item, path) for path in view} for item in value}


def _attribute(item: Any, path: str) -> Any:
    first, _, rest = path.partition(".")
    found = getattr(item, first)
    return [getattr(part, rest) for part in found] if rest else found


def _names(item: Any) -> tuple[str, ...]:
    names = [getattr(item, name, None) for name in ("name", "cluster", "port", "host")]
    hosts = getattr(getattr(item, "service", None), "name", None)
    return tuple(str(name) for name in (*names, hosts) if name is not None)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_case(folder: Path, build: Any, compact: Any, request: pytest.FixtureRequest) -> None:
    text = (folder / "in.yaml").read_text()
    header, _, manifests = text.partition("\n---\n")
    head = yaml.safe_load(header)
    built = build(
        manifests,
        istio=str(head.get("istio", "1.32")),
        gateway=bool(head.get("gateway")),
        **head.get("settings", {}),
    )
    view = head.get("view")
    found = {
        selector: compact(_narrowed(_selected(built, selector), view))
        for selector in head["select"]
    }
    rendered = yaml.dump(found, Dumper=Plain, sort_keys=False, width=100, default_flow_style=None)
    expected = folder / "out.yaml"
    if request.config.getoption("--golden-update"):
        expected.write_text(rendered)
    assert len(rendered.splitlines()) < 120, "look at less: a golden must stay readable"
    assert expected.exists(), "no out.yaml: write it with --golden-update and read it"
    assert yaml.safe_load(expected.read_text()) == found, (
        "the IR differs from out.yaml; if that is meant, run with --golden-update"
    )


def test_every_output_has_its_input() -> None:
    stale = [path for path in CASES.glob("*/*/out.yaml") if not (path.parent / "in.yaml").exists()]
    assert stale == []
    assert FOLDERS
