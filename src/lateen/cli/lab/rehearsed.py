"""The lab that manifests would make, over what stands elsewhere: for commands that predict.

`explain`, `analyze` and `test` take their mesh from here.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lateen.app.lab.lab import LabError
from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.lab.up import settings_for
from lateen.cli.manifests.named import Named

if TYPE_CHECKING:
    from lateen.app.api.config_dumps import ConfigDump
    from lateen.app.foresight.rehearsal import Item, Rehearsal
    from lateen.app.lab.settings import LabSettings


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What manifests are laid over: a folder, a file of `lateen snapshot`, or a cluster."""

    base: str = ""
    context: str = ""
    kubeconfig: str = ""

    def __bool__(self) -> bool:
        return bool(self.base or self.context or self.kubeconfig)


NO_GROUND = Ground()


class Refusal(Exception):
    """Manifests that are refused; the messages name file, line, field and remedy."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("\n".join(messages))
        self.messages = tuple(messages)


class Parts(msgspec.Struct, frozen=True):
    """What a lab is rehearsed from."""

    items: "list[Item]"
    settings: "LabSettings"
    standing: list[Json]
    ground: Ground = NO_GROUND

    def made(self) -> "Rehearsal":
        """Rehearse."""
        from lateen.app.foresight import rehearsal

        return rehearsal.Rehearsal(self.items, self.settings, self.standing)


def parts(named: Named, istio: str, ground: Ground = NO_GROUND, *, assumed: bool = False) -> Parts:
    """Read manifests and what they are laid over. With `assumed`, gateways that nobody wrote are
    there.

    An object of the manifests stands in place of one of the same name on the ground; what the
    manifests do not name stays. Raises Refusal, LabError.
    """
    from lateen.cli.manifests import cluster

    standing = _standing(ground)
    settings = settings_for("files", named, istio or cluster.version(standing))
    items = _items(named)
    if assumed:
        from lateen.app.foresight import case_objects as missing

        items = missing.completed(items)
    return Parts(items, settings, standing, ground)


def of_lab(lab: str, istio: str = "", laid: Named = Named()) -> Parts:
    """Return what a lab holds now, with manifests that are laid over it. Raises LabError where it
    does not run, Refusal for the manifests."""
    from lateen.app.lab import lab as labs, settings as lab_settings

    paths = labs.require(lab).paths
    held = lab_settings.load(paths.settings)
    ground = Ground(kubeconfig=str(paths.kubeconfig))
    made = parts(laid, istio or held.istio, ground)
    return msgspec.structs.replace(
        made, settings=lab_settings.with_istio(held, istio or held.istio)
    )


def dumps(words: Sequence[str], held: Parts, made: "Rehearsal") -> "list[ConfigDump]":
    """Return what proxies really have, as `--proxies` names it; say of which there is nothing, and
    what they did not take. Raises LabError."""
    from lateen.cli.manifests import dumps as files

    if not words:
        return []
    pods = list(made.all("pods"))
    found = files.read(words, pods, (held.ground.kubeconfig, held.ground.context))
    names = {
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": files.has_proxy(pod)
        for pod in pods
    }
    known = {each.proxy for each in found}
    for name in sorted(known - set(names)):
        exits.complain(f"warning: {name} is no pod among the objects: its dump is not looked at")
    for name in sorted(name for name, proxied in names.items() if proxied and name not in known):
        exits.complain(f"warning: there is no dump of {name}: what is compiled stands in for it")
    for each in found:
        for update in each.refused:
            exits.complain(f"warning: {each.proxy} did not take an update: {update}")
    return found


def _items(named: Named) -> "list[Item]":
    from lateen.app.foresight import rehearsal
    from lateen.cli.manifests import files as manifest_files

    if not named:
        return []
    loaded = manifest_files.load(named)
    if isinstance(loaded, manifest_files.RefusedManifests):
        raise Refusal(loaded.messages)
    return [
        rehearsal.Item(each.placed(), each.manifest.locate, each.manifest.file, each.manifest.line)
        for each in loaded.items
    ]


def _standing(ground: Ground) -> list[Json]:
    from lateen.cli.manifests import cluster

    if ground.context or ground.kubeconfig:
        if ground.base:
            raise LabError("--base and --context are two grounds: name one", exits.USAGE)
        return cluster.read(ground.kubeconfig, ground.context)
    if not ground.base:
        return []
    path = Path(ground.base)
    if path.is_file() and (found := snapshot(path)) is not None:
        return found
    return [dict(item.body) for item in _items(Named([ground.base], recursive=path.is_dir()))]


def snapshot(path: Path) -> list[Json] | None:
    """Return the objects of a file that `lateen snapshot` wrote; None for another file."""
    try:
        body = json.loads(path.read_bytes())
    except ValueError:
        return None
    if not isinstance(body, dict) or body.get("kind") != "List":
        return None
    return [dict(each) for each in body["items"]]
