"""Revisions and their tags: whom they inject, and the objects that tell of them."""

from typing import Any

import pytest

from lateen.controllers.injection import injector, sidecar, webhooks

Json = dict[str, Any]


def wanted(revision: str, tags: tuple[str, ...], space: Json, labels: Json) -> bool:
    settings = injector.InjectionSettings(
        mesh=sidecar.InjectedMesh(revision=revision), tags=tags, inject_unlabelled=False
    )
    pod = {"metadata": {"name": "p", "labels": labels}, "spec": {}}
    return injector.wanted(pod, {"metadata": {"name": "a", "labels": space}}, settings)


@pytest.mark.parametrize(
    ("revision", "tags", "space", "labels", "expected"),
    [
        ("default", (), {"istio-injection": "enabled"}, {}, True),
        ("canary", (), {"istio-injection": "enabled"}, {}, False),
        ("canary", ("default",), {"istio-injection": "enabled"}, {}, True),
        ("canary", (), {"istio.io/rev": "canary"}, {}, True),
        ("canary", (), {"istio.io/rev": "stable"}, {}, False),
        ("canary", ("stable",), {"istio.io/rev": "stable"}, {}, True),
        ("canary", ("stable",), {}, {"istio.io/rev": "stable"}, True),
        ("canary", ("stable",), {}, {"istio.io/rev": "old"}, False),
        ("canary", (), {}, {"sidecar.istio.io/inject": "true"}, False),
        ("default", (), {}, {"sidecar.istio.io/inject": "true"}, True),
    ],
)
def test_who_is_injected(
    revision: str, tags: tuple[str, ...], space: Json, labels: Json, expected: bool
) -> None:
    assert wanted(revision, tags, space, labels) is expected


def matches(selector: Json, labels: Json) -> bool:
    for each in selector["matchExpressions"]:
        there, value = each["key"] in labels, labels.get(each["key"])
        found = {
            "In": value in each.get("values", ()),
            "NotIn": value not in each.get("values", ()),
            "DoesNotExist": not there,
        }[each["operator"]]
        if not found:
            return False
    return True


@pytest.mark.parametrize("revision", ["default", "canary"])
@pytest.mark.parametrize("tags", [(), ("stable",), ("default", "stable")])
@pytest.mark.parametrize(
    "space",
    [{}, {"istio-injection": "enabled"}, {"istio-injection": "disabled"}]
    + [{"istio.io/rev": name} for name in ("default", "canary", "stable")],
)
@pytest.mark.parametrize(
    "labels",
    [{}, {"istio.io/rev": "stable"}, {"istio.io/rev": "canary"}]
    + [{"sidecar.istio.io/inject": word} for word in ("true", "false")],
)
def test_the_webhooks_say_what_is_done(
    revision: str, tags: tuple[str, ...], space: Json, labels: Json
) -> None:
    """A lab injects without calling them, and yet they must choose the same pods."""
    if "default" in tags and revision == "default":
        return
    hooks = [hook for _, obj in webhooks.objects(revision, tags, "r") for hook in obj["webhooks"]]
    chosen = any(
        matches(hook["namespaceSelector"], space) and matches(hook["objectSelector"], labels)
        for hook in hooks
    )
    assert wanted(revision, tags, space, labels) is chosen


def test_tags_are_read_from_objects_of_their_revision() -> None:
    made = [obj for _, obj in webhooks.objects("canary", ("a", "b"), "istio-system")]
    assert webhooks.tags(made, "canary") == ("a", "b")
    assert webhooks.tags(made, "default") == ()


@pytest.mark.parametrize("labels", [{}, {"sidecar.istio.io/inject": "false"}])
def test_where_nothing_is_said_the_hook_for_that_chooses(labels: Json) -> None:
    hooks = webhooks.objects("default", (), "r", unlabelled=True)[0][1]["webhooks"]
    (auto,) = [hook for hook in hooks if hook["name"].startswith("auto.")]
    chosen = [
        name
        for name in ("shop", "r", "kube-system")
        if matches(auto["namespaceSelector"], {"kubernetes.io/metadata.name": name})
        and matches(auto["objectSelector"], labels)
    ]
    assert chosen == ([] if labels else ["shop"])


def test_the_webhooks_certificate_is_checked_by_the_labs_ca() -> None:
    (_, made), (_, tag) = webhooks.objects("default", ("stable",), "r", ca_pem="PEM")
    bundles = {hook["clientConfig"]["caBundle"] for hook in (*made["webhooks"], *tag["webhooks"])}
    assert bundles == {"UEVN"}
