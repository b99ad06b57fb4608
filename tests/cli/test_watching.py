"""What goes on: tables and logs that grow, manifests that change."""

import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lateen.cli.lab import live
from lateen.cli.manifests import files
from lateen.cli.manifests.named import Named
from lateen.cli.objects import logs, watch
from lateen.cli.screen import tables

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


def table(*names: str) -> dict[str, object]:
    columns = [{"name": "Name"}, {"name": "Node", "priority": 1}, {"name": "Ready"}]
    meta = {"labels": {"app": "web"}, "namespace": "shop", "resourceVersion": "7"}
    rows = [{"cells": [name, "n", True], "object": {"metadata": meta}} for name in names]
    return {"columnDefinitions": columns, "rows": rows}


def test_cells_of_a_servers_table() -> None:
    head, rows = tables.cells(table("a"), wide=False, namespace=True, labels=["x/app"])
    assert head == ["NAMESPACE", "Name", "Ready", "app"]
    assert rows == [["shop", "a", "true", ""]]
    head, rows = tables.cells(table("a"), wide=True, namespace=False, all_labels=True, prefix="po")
    assert head == ["Name", "Node", "Ready", "labels"]
    assert rows == [["po/a", "n", "true", "app=web"]]


@given(st.lists(st.lists(st.text("ab", max_size=9), min_size=2, max_size=2), min_size=1))
def test_columns_of_a_growing_table_never_get_narrower(rows: list[list[str]]) -> None:
    made, widest = tables.StreamingTable(), 0
    for number, row in enumerate(rows):
        shown = made.add(["name", "age"], [[row[0], "x"]]).split("\n")
        assert len(shown) == (2 if number == 0 else 1), "the heads come once"
        at = shown[-1].rindex("x")
        assert at >= widest
        widest = at


def test_a_growing_table_may_have_no_heads() -> None:
    assert tables.StreamingTable(header=False).add(["name"], [["a"]]) == "a"


@pytest.mark.parametrize(
    ("found", "version"),
    [
        ({"metadata": {"resourceVersion": "9"}}, "9"),
        ({**table("a"), "metadata": {}}, "7"),
        ({**table("a"), "metadata": {"resourceVersion": "9"}}, "9"),
        ({"rows": []}, ""),
        ({}, ""),
    ],
)
def test_where_a_watch_goes_on(found: dict[str, object], version: str) -> None:
    assert watch.newest(found) == version


def test_what_is_asked_of_a_log() -> None:
    stream = logs.ContainerLog("web-1", "app")
    assert logs.query(stream, logs.LogOptions()) == {"container": "app"}
    asked = logs.LogOptions(follow=True, tail=0, since=0.2, timestamps=True, previous=True)
    assert logs.query(stream, asked) == {
        "container": "app",
        "follow": "true",
        "previous": "true",
        "timestamps": "true",
        "tailLines": "0",
        "sinceSeconds": "1",
    }
    assert stream.prefix == b"[pod/web-1/app] "


def test_a_change_of_any_named_file_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MAP % "a")
    (tmp_path / "note.txt").write_text("no manifest")
    named = Named([str(tmp_path)])
    before = live.stamps(named)
    assert live.stamps(named) == before
    (tmp_path / "note.txt").write_text("still none")
    assert live.stamps(named) == before
    (tmp_path / "b.yaml").write_text(MAP % "b")
    added = live.stamps(named)
    assert added != before
    os.utime(tmp_path / "b.yaml", ns=(1, 1))
    assert live.stamps(named) != added
    (tmp_path / "b.yaml").unlink()
    assert live.stamps(named) == before


def test_the_sources_of_a_kustomization_are_watched(tmp_path: Path) -> None:
    for folder in ("base", "over"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "kustomization.yaml").write_text("resources: []\n")
    named = Named(overlays=[str(tmp_path / "over")])
    before = live.stamps(named, [str(tmp_path / "base" / "a.yaml")])
    (tmp_path / "base" / "kustomization.yaml").write_text("resources: [a.yaml]\n")
    assert live.stamps(named, [str(tmp_path / "base" / "a.yaml")]) != before


def test_what_the_manifests_hold_no_more_goes(tmp_path: Path) -> None:
    file = tmp_path / "maps.yaml"

    def loaded(*names: str) -> tuple[files.Loaded, ...]:
        file.write_text("---\n".join(MAP % name for name in names))
        found = files.load(Named([str(file)]))
        assert isinstance(found, files.ManifestSet)
        return found.items

    before = loaded("a", "b", "c")
    assert [item.name for item in live.gone(before, loaded("c", "b", "new"))] == ["a"]
    assert live.gone(before, before) == []


@pytest.mark.parametrize(
    ("named", "expected"),
    [(Named(), False), (Named(["a"]), True), (Named(["a", "-"]), False), (Named([], ["o"]), True)],
)
def test_what_can_be_watched(named: Named, expected: bool) -> None:
    assert named.watchable is expected
