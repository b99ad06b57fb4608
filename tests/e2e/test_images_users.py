"""Images in the shape of databases: begun as root they give their data to a user and become it. In
a lab of root's, of a user with one id, and of a user with subordinate ids."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.e2e import registries
from tests.e2e.labs import ORDINARY, USERS, Lab
from tests.node import layers

pytestmark = pytest.mark.e2e

ENTRYPOINT = """#!/bin/sh
set -e
if [ "$1" = serve ] && [ -z "$DROPPED" ]; then
  find /data -not -user web -exec chown web {} +
  chmod 700 /data
  export DROPPED=yes
  exec /bin/drop --reuid=33 --regid=34 --clear-groups "$0" "$@"
fi
echo "as $(id -u)"
echo kept > /data/db
exec sleep 3600
"""
"""As redis, PostgreSQL and MongoDB do it, with gosu or setpriv."""
ACCOUNT = "latest"
"""The account with subordinate ids that a test makes."""


def database(folder: Path) -> Path:
    """Make an archive of such an image."""
    layer = registries.busybox().file("bin/start", ENTRYPOINT, mode=0o755).folder("data")
    layer.file("data/old", "o")
    program = programs.require("setpriv")
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in sorted({word for word in told.split() if word.startswith("/")}):
        layer.file(library.lstrip("/"), Path(library).read_bytes(), mode=0o755)
    layer.file("bin/drop", Path(program).read_bytes(), mode=0o755)
    for name in ("find", "chown", "chmod"):
        layer.link(f"bin/{name}", "busybox")
    process = {"Entrypoint": ["/bin/start"], "Cmd": ["serve"], "Env": ["PATH=/bin"]}
    layers.layout(folder / "layout", [layer.done()], process=process)
    return Path(shutil.make_archive(str(folder / "db"), "tar", folder / "layout"))


def account() -> Iterator[int]:
    add = programs.require("useradd")
    subprocess.run([add, "--no-create-home", ACCOUNT], check=True)
    try:
        words = ["--add-subuids", "700000-765535", "--add-subgids", "700000-765535", ACCOUNT]
        subprocess.run(["usermod", *words], check=True)
        yield int(subprocess.run(["id", "-u", ACCOUNT], capture_output=True, check=True).stdout)
    finally:
        subprocess.run(["userdel", ACCOUNT], check=True, capture_output=True)


@pytest.fixture(scope="module")
def many_users() -> Iterator[int]:
    if os.getuid():
        pytest.skip("only root can make an account")
    programs.require("newuidmap")
    yield from account()


@pytest.fixture(params=[*USERS, pytest.param("ids", id="ids")])
def lab(request: pytest.FixtureRequest, make_lab: Callable[..., Lab]) -> Iterator[Lab]:
    ids = request.param == "ids"
    uid = request.getfixturevalue("many_users") if ids else 0
    made = make_lab("databases", ordinary=bool(request.param))
    if ids:
        made.uid = uid
        os.chown(made.home, uid, uid)
    yield made
    made.lateen("down")


def test_a_database_gives_its_data_away_and_becomes_a_user(lab: Lab, tmp_path: Path) -> None:
    archive = database(tmp_path)
    target = lab.home / "db.tar"
    shutil.copy(archive, target)
    target.chmod(0o644)
    lab.ok("image", "load", str(target), "--as", "me/db:1")
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"sidecar.istio.io/inject": "false"}},
            "spec": {
                "volumes": volumes,
                "containers": [
                    {
                        "name": "app",
                        "image": "me/db:1",
                        "volumeMounts": [{"name": "v", "mountPath": "/data"}] if volumes else [],
                    }
                ],
            },
        }
        for name, volumes in (("own", []), ("claimed", [{"name": "v", "emptyDir": {}}]))
    ]
    lab.ok("up", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
    one_id = lab.ordinary and lab.uid == ORDINARY
    user = "0" if one_id else "33"
    for name in ("own", "claimed"):
        assert lab.ok("logs", name) == f"as {user}\n"
        told = lab.ok("exec", name, "--", "/bin/ls", "-lnd", "/data", "/data/db").splitlines()
        assert [line.split()[2] for line in told] == [user, user]
    checked = lab.lateen("check").stdout
    assert ("every container runs under one id" in checked) == one_id
    lab.ok("down")
    assert not (lab.home / "state").exists()
    lab.ok("image", "rm", "me/db:1")
    assert not list(lab.home.glob("images/roots*/*/fs"))
