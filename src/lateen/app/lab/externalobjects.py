"""From the hosts outside that the settings name to the objects that stand in for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lateen.app.lab import meshsettings
from lateen.app.lab.settings import LabSettings
from lateen.base.jsonvalue import Json
from lateen.controllers.network import external
from lateen.model.external import ExternalHost
from lateen.node.images import catalogue

if TYPE_CHECKING:
    from lateen.pki.authority import Authority

_USUAL = 80
"""Where an image is taken to serve of which nothing is known."""


def objects(chosen: LabSettings, authority: "Authority | None") -> list[tuple[str, Json]]:
    """Return (resource, object) of all hosts. Without an authority they have no certificate: what
    is foretold needs none."""

    def sign(names: Sequence[str]) -> external.Signed:
        if authority is None:
            return external.Signed("", "")
        made = authority.server_certificate(names)
        return external.Signed(made.chain_pem, made.key_pem)

    def serves(host: ExternalHost) -> external.Serving:
        return serving(host, chosen)

    root = authority.root_pem if authority is not None else ""
    return external.objects(chosen.external, serves, sign, root)


def serving(host: ExternalHost, chosen: LabSettings) -> external.Serving:
    """Return where the image of a host serves, by the catalogue where the settings say nothing."""
    ports = catalogue.listening(host.image, args=host.args, overrides=chosen.images) or ()
    plain = {each.port: each for each in ports if not each.tls}
    taken = tuple(each.port for each in ports)
    port = host.port or (_USUAL if _USUAL in plain else next(iter(plain), _USUAL))
    spoken = plain[port].http if port in plain else ("1.1",)
    alpn = {"2": "h2", "1.1": "http/1.1"}
    names = tuple(alpn[version] for version in sorted(spoken, reverse=True) if version in alpn)
    return external.Serving(port, taken=(*taken, port), alpn=names)


def trusted(root: str) -> str:
    """Return a bundle of the roots that containers trust: the machine's, and one more."""
    try:
        machine = Path(meshsettings.system_roots()).read_text(encoding="utf-8", errors="replace")
    except OSError:
        machine = ""
    return f"{machine.rstrip()}\n{root}".lstrip()
