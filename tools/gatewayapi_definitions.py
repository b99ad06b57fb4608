"""Write down the definitions that the Gateway API publishes, which every lab has from the start.

Usage: python tools/gatewayapi_definitions.py [--check]

`gatewayapi.json` (apiserver) has a CustomResourceDefinition a line: the standard channel of the
release that `conformance/go.mod` names, as published but for the words about fields. With `--check`
nothing is written, and the status is 1 when the file is not what would be written; where no `go`
command can fetch the release, nothing is compared.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
FILE = ROOT / "src" / "lateen" / "apiserver" / "kinds" / "gatewayapi.json"
MODULE = "sigs.k8s.io/gateway-api"
_DROPPED = ("api-approved.kubernetes.io",)


def version() -> str:
    """Return the release that the conformance module requires. Raises LookupError."""
    text = (ROOT / "conformance" / "go.mod").read_text()
    found = re.search(rf"{re.escape(MODULE)} (v[\w.-]+)", text)
    if found is None:
        raise LookupError(f"conformance/go.mod does not name {MODULE}")
    return found[1]


def folder() -> Path | None:
    """Return where the release's files are, fetched if need be; None where that cannot be done."""
    try:
        done = subprocess.run(
            ["go", "mod", "download", "-json", f"{MODULE}@{version()}"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return Path(json.loads(done.stdout)["Dir"]) / "config" / "crd" / "standard"


def plain(value: Any) -> Any:
    """Return a schema without the words about its fields."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, each in value.items():
        if name == "properties" and isinstance(each, dict):
            found[name] = {field: plain(schema) for field, schema in each.items()}
        elif not (name == "description" and isinstance(each, str)):
            found[name] = plain(each)
    return found


def text(release: Path) -> str:
    """Return the file's text: a definition a line, by name."""
    found: dict[str, Any] = {}
    for file in sorted(release.glob("gateway*.yaml")):
        for body in yaml.safe_load_all(file.read_text()):
            if body["kind"] != "CustomResourceDefinition":
                continue
            made = plain({key: body[key] for key in ("apiVersion", "kind", "metadata", "spec")})
            for name in _DROPPED:
                made["metadata"]["annotations"].pop(name, None)
            found[made["metadata"]["name"]] = made
    lines = (json.dumps(found[name], separators=(",", ":")) for name in sorted(found))
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main(arguments: list[str]) -> int:
    """Write the file, or compare it."""
    release = folder()
    if release is None:
        sys.stdout.write(f"gatewayapi.json: no `go` that can fetch {MODULE}: not compared\n")
        return 0
    made = text(release)
    if arguments == ["--check"]:
        same = FILE.read_text() == made
        sys.stdout.write("" if same else "gatewayapi.json is not what is published\n")
        return 0 if same else 1
    FILE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
