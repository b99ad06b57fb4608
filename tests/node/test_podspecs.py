"""Whose a pod's volumes are, what it is called, and what of its spec has no effect."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lateen.model.kube.core.pod import PodSpec
from lateen.node.container import launch, volumes
from lateen.node.container.references import Missing, Objects, PodFields
from lateen.node.container.volumes import File, Sources

FOUND = Objects(secrets={"key": {"pass": b"word"}})
POD = PodFields("shop", "web-1", "uid-1", {}, {}, "lateen", "default", "10.244.0.1", "10.244.0.7")


@pytest.mark.parametrize(
    ("contexts", "token", "secret"),
    [
        ([{}, {}], File(b"t", 0o644), File(b"word", 0o400)),
        ([{"fsGroup": 7}, {}], File(b"t", 0o640, 0, 7), File(b"word", 0o440, 0, 7)),
        ([{"runAsUser": 5}, {}], File(b"t", 0o600, 5), File(b"word", 0o400)),
        ([{}, {"runAsUser": 5}], File(b"t", 0o600, 5), File(b"word", 0o400)),
        (
            [{"fsGroup": 7, "runAsUser": 5}, {}],
            File(b"t", 0o640, 5, 7),
            File(b"word", 0o440, 0, 7),
        ),
    ],
    ids=["nobody", "a group", "a user", "of a container", "both"],
)
def test_volumes_belong_to_the_pods_group_and_tokens_to_its_user(
    contexts: list[dict[str, int]], token: File, secret: File
) -> None:
    pod, one = contexts
    body = {"securityContext": pod, "containers": [{"name": "a", "securityContext": one}]}
    owner = volumes.owner(msgspec.convert(body, PodSpec))
    volume = {
        "name": "v",
        "projected": {
            "sources": [
                {"serviceAccountToken": {"path": "token"}},
                {"secret": {"name": "key", "items": [{"key": "pass", "path": "p", "mode": 0o400}]}},
            ]
        },
    }
    sources = Sources(POD, FOUND, tokens={"": "t"}, owner=owner)
    assert volumes.contents(volume, sources) == {"token": token, "p": secret}


def test_two_users_own_no_token() -> None:
    body = {"containers": [{"name": "a", "securityContext": {"runAsUser": 5}}, {"name": "b"}]}
    assert volumes.owner(msgspec.convert(body, PodSpec)) == volumes.Owner()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "web"),
        ({"subdomain": "s"}, "web"),
        ({"subdomain": "s", "setHostnameAsFQDN": True}, "web.s.shop.svc.cluster.local"),
        ({"setHostnameAsFQDN": True}, "web"),
        ({"subdomain": "s", "setHostnameAsFQDN": True, "hostnameOverride": "other"}, "other"),
    ],
)
def test_host_names(fields: dict[str, Any], name: str) -> None:
    spec = msgspec.convert({"containers": [], **fields}, PodSpec)
    assert launch.host_name(spec, "web", "shop", "cluster.local") == name


def test_a_host_name_is_no_longer_than_the_kernel_takes() -> None:
    body = {"containers": [], "subdomain": "s" * 43, "setHostnameAsFQDN": True}
    with pytest.raises(Missing, match="64 characters is the max, 67 characters requested"):
        launch.host_name(msgspec.convert(body, PodSpec), "web", "a", "cluster.local")


def test_fields_without_effect_are_named() -> None:
    body = {
        "hostNetwork": False,
        "hostPID": True,
        "securityContext": {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start"}]},
        "containers": [{"name": "a", "ports": [{"containerPort": 80, "hostPort": 81}]}],
    }
    assert launch.without_effect(msgspec.convert(body, PodSpec)) == (
        "spec.hostPID",
        "spec.containers[a].ports[80].hostPort",
    )
    body["securityContext"] = {"sysctls": [{"name": "net.core.somaxconn"}]}
    assert "spec.securityContext.sysctls" in launch.without_effect(msgspec.convert(body, PodSpec))


def test_the_nodes_network_is_spoken_of_apart_as_it_decides_about_the_sidecar() -> None:
    spec = msgspec.convert({"hostNetwork": True, "containers": []}, PodSpec)
    assert launch.without_effect(spec) == ()
    assert launch.without_host_network(spec) == ("spec.hostNetwork",)
    assert launch.without_host_network(msgspec.convert({"containers": []}, PodSpec)) == ()


def test_directories_belong_to_the_pods_group(tmp_path: Path) -> None:
    group = tmp_path.stat().st_gid  # the only one that any user may give
    store = volumes.VolumeStore(tmp_path / "run", tmp_path / "state", volumes.Owner(group))
    files = {"d/b": File(b"2", 0o440)}
    path = store.publish("v", files)
    modes = [one.stat().st_mode & 0o7777 for one in (path, path / "..data", path / "d")]
    assert modes == [0o2755] * 3
    assert (path / "d" / "b").stat().st_mode & 0o7777 == 0o440
    first = (path / "..data").readlink()
    store.publish("v", files)
    assert (path / "..data").readlink() == first, "nothing changed"
    assert store.empty("e", in_memory=False).stat().st_mode & 0o7777 == 0o2777
    store.remove()
