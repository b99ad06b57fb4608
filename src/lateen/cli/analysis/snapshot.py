"""`lateen snapshot`: what a mesh holds, as one file that later commands stand on."""

import json
import os
import sys
from pathlib import Path

from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.lab import rehearsed
from lateen.cli.lab.rehearsed import Ground, Refusal
from lateen.cli.manifests import cluster
from lateen.cli.manifests.named import Named

_LEFT_OUT = ("managedFields", "selfLink")


def snapshot(lab: str, named: Named, ground: Ground, output: str) -> int:
    """The command: manifests (over a ground), a cluster, or a lab. Secrets are left out."""
    try:
        objects = _objects(lab, named, ground)
    except Refusal as error:
        for message in error.messages:
            exits.complain(f"error: {message}")
        return exits.UNPARSABLE
    kept = [_without(body) for body in objects if body["kind"] != "Secret"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": kept}, indent=1) + "\n"
    if output in ("", "-"):
        sys.stdout.write(text)
        return exits.OK
    fresh = Path(f"{output}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(output)
    finally:
        fresh.unlink(missing_ok=True)
    exits.complain(f"{output}: {len(kept)} objects, Secrets left out")
    return exits.OK


def _objects(lab: str, named: Named, ground: Ground) -> list[Json]:
    if named or ground:
        made = rehearsed.parts(named, "", ground).made()
        return [
            {"apiVersion": info.api_versions[0], "kind": info.kind, **body}
            for info in cluster.asked()
            for body in made.all(info.resource)
        ]
    from lateen.app.lab import lab as labs

    return cluster.read(str(labs.require(lab).paths.kubeconfig), "")


def _without(body: Json) -> Json:
    metadata = {k: v for k, v in body["metadata"].items() if k not in _LEFT_OUT}
    return {**body, "metadata": metadata}
