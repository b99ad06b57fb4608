"""Volumes that lie over what a container needs of Lateen."""

from pathlib import Path

import pytest

from lateen.node.shim.client import ShimClient
from lateen.node.shim.protocol import Mount
from tests.node.conftest import ShimLab
from tests.node.test_shim import POD, in_lab, logged, shell

pytestmark = pytest.mark.netns


def test_a_read_only_volume_may_lie_over_lateens_own(shim_lab: ShimLab) -> None:
    source = Path(__file__).parents[2] / "src"
    above = source.parent
    volume = shim_lab.state / "volume"
    volume.mkdir()
    volume.chmod(0o755)
    (volume / "file").write_text("content\n")
    script = f"cat {above}/file; ls {source}/lateen/__init__.py; touch {above}/new"
    mounts = (Mount(str(volume), str(above), True),)
    spec = shell(shim_lab, script, env=("PATH=/usr/bin:/bin",), mounts=mounts)

    async def scenario(client: ShimClient) -> None:
        await client.run(f"{POD}/app/0", spec)
        await client.wait(f"{POD}/app/0")
        lines = logged(shim_lab)
        assert [text for stream, text in lines if stream == "stdout"] == [
            "content",
            f"{source}/lateen/__init__.py",
        ]
        (refused,) = [text for stream, text in lines if stream == "stderr"]
        assert "Read-only" in refused

    in_lab(shim_lab, scenario)
    assert [path.name for path in volume.iterdir()] == ["file"]
