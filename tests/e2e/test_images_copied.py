"""An image where the kernel refuses overlays: it lays none over what is two of them already."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.e2e import registries
from tests.e2e.labs import USERS, Lab

pytestmark = pytest.mark.e2e

DEEP = """
mount -t tmpfs -o mode=755 scratch "$1" && cd "$1" && mkdir low up work one up2 work2 two &&
chown "$2" up2 && mount -t overlay over -o lowerdir=low,upperdir=up,workdir=work one &&
mount -t overlay over -o lowerdir=one,upperdir=up2,workdir=work2 two &&
mount --bind two "$1" && echo ready && exec sleep 3600
"""
PODS = """\
apiVersion: v1
kind: Pod
metadata: {name: site, labels: {app: site, sidecar.istio.io/inject: "false"}}
spec: {containers: [{name: app, image: "me/site:1"}]}
"""


@pytest.fixture(params=USERS)
def lab(request: pytest.FixtureRequest, make_lab: Callable[..., Lab]) -> Iterator[Lab]:
    enter = programs.require("nsenter")
    made = make_lab("copied", ordinary=request.param)
    owner = str(made.home.stat().st_uid)
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", DEEP, "sh"]
    holder = subprocess.Popen([*words, str(made.home), owner], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    made.inside = (enter, "--target", str(holder.pid), "--mount", "--")
    yield made
    made.ok("down")
    made.inside = ()
    holder.kill()
    holder.wait()


def test_a_container_has_a_copy_of_its_image(lab: Lab, tmp_path: Path) -> None:
    folder = registries.site(tmp_path / "site", "a page of the image\n")
    archive = Path(shutil.make_archive(str(tmp_path / "site"), "tar", folder))
    with archive.open("rb") as file:
        subprocess.run(
            lab.command("sh", "-c", "cat > $LATEEN_HOME/site.tar"),
            env=lab.env, stdin=file, check=True,
        )  # fmt: skip
    lab.ok("image", "load", str(lab.home / "site.tar"), "--as", "me/site:1")
    lab.ok("up", "-", stdin=PODS)
    assert "each container gets a copy of its image" in lab.lateen("check").stdout

    def ask(script: str) -> list[str]:
        return lab.ok("exec", "site", "--", "/bin/sh", "-c", script).split()

    assert ask("cat /www/index.html; ls /www") == ["a", "page", "of", "the", "image", "index.html"]
    assert ask("id -u") == (["0"] if lab.ordinary else ["33"])
    mounts = ask("cat /proc/mounts")
    assert mounts[mounts.index("/") + 1] == "tmpfs"
    assert ask("touch /tmp/mine && ls /tmp") == ["mine"]
    told = lab.run("sh", "-c", "ls $LATEEN_HOME/images/roots*")
    assert ".whole" in told.stdout
