"""What a lateen.yaml says, and what is said of one that cannot be used."""

from pathlib import Path
from typing import Any

import pytest

from lateen.app.lab import settings
from lateen.app.lab.settings import LabSettings, SettingsError
from lateen.model.external import ExternalHost

BASE = LabSettings(lab="default", istio="1.32", user=0)


def read(folder: Path, content: bytes) -> LabSettings:
    file = folder / settings.CONFIG_NAME
    file.write_bytes(content)
    return settings.from_file(BASE, settings.read_file(file))


@pytest.mark.parametrize(
    ("content", "field", "value"),
    [
        (b"istio: 1.20", "istio", "1.20"),
        (b"istio: 1.30", "istio", "1.30"),
        (b"istio: '1.17'", "istio", "1.17"),
        (b"istio: 1.28.4", "istio", "1.28.4"),
        (b"istio:", "istio", "1.32"),
        (b"accessLog: off", "access_log", ""),
        (b"accessLog: json", "access_log", "JSON"),
        (b"traceSampling: 12.5", "trace_sampling", 12.5),
        (b"dnsForward: 127.0.0.53:53", "dns_forward", "127.0.0.53:53"),
        (b"images: {web: serve}", "images", {"web": ["/bin/sh", "-c", "serve"]}),
        (b"", "istio", "1.32"),
        (b"egressGateway: true", "egress_gateway", True),
        (b"revision: canary", "revision", "canary"),
        (b"revisionTags: [stable, old]", "revision_tags", ["stable", "old"]),
        (
            b"external: {'*.A.example.': nginx, b.example: 10.0.0.9, "
            b"c.example: {image: my/api, port: 9, args: [-v]}}",
            "external",
            (
                ExternalHost(host="*.a.example", image="nginx"),
                ExternalHost(host="b.example", address="10.0.0.9"),
                ExternalHost(host="c.example", image="my/api", port=9, args=("-v",)),
            ),
        ),
    ],
)
def test_what_is_read(content: bytes, field: str, value: Any, tmp_path: Path) -> None:
    assert getattr(read(tmp_path, content), field) == value


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe", "not a text file"),
        (b"istio: [", ": not YAML"),
        (b"- a", "Expected `object`"),
        (b"isto: 1.17", "unknown field `isto`. Fields: accessLog"),
        (b"istio: [1]", "at `$.istio`"),
        (b"accessLog: no", "use TEXT, JSON or off"),
        (b"traceSampling: 200", "traceSampling 200: use 0 to 100"),
        (b"dnsForward: my resolver", "use ADDRESS or ADDRESS:PORT"),
        (b"certificateTTL: 1s", "use 4s to 2160h"),
        (b"egressPrivate: [10.0.0.1/8]", "use IPv4 networks such as 10.20.0.0/16"),
        (b"egress: perhaps", "egress"),
        (b"revisionTags: [A_b]", "revision 'A_b': use lower-case letters"),
        (b"external: {localhost: nginx}", "'localhost': use a name such as api.example.com"),
        (b"external: {a.*.example: nginx}", "use a name such as api.example.com"),
        (b"external: {web.default.svc.cluster.local: nginx}", "is the cluster's own"),
        (b"external: {a.example: nginx, A.example.: httpd}", "'A.example.' is there twice"),
        (b"external: {a.example: {port: 80}}", "use an image, or an address"),
        (b"external: {a.example: {image: nginx, address: 10.0.0.1}}", "an image, or an address"),
        (b"external: {a.example: {address: 10.0.0}}", "'10.0.0' is no IPv4 address"),
        (b"external: {a.example: {image: nginx, port: 70000}}", "port 70000: use 1 to 65535"),
        (b"external: {a.example: {imge: nginx}}", "unknown field `imge`"),
    ],
)
def test_what_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"lateen\.yaml") as caught:
        read(tmp_path, content)
    assert says in str(caught.value)
