import subprocess
from pathlib import Path

import pytest

from lateen.node.images import tools


@pytest.fixture
def sudo(tmp_path: Path) -> str:
    script = tmp_path / "sudo"
    script.write_text(tools.scripts(("/py",), {})["sudo"])
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["echo", "-n", "x y"], "x y"),
        (["-n", "-E", "-H", "echo", "a"], "a\n"),
        (["-u", "root", "-g", "root", "echo", "a"], "a\n"),
        (["--user", "root", "--preserve-env", "echo", "a"], "a\n"),
        (["--user=root", "echo", "a"], "a\n"),
        (["-uroot", "--", "echo", "-u"], "-u\n"),
        (["A=1 2", "B=3", "sh", "-c", "echo $A,$B"], "1 2,3\n"),
        (["-i", "echo", "a"], "a\n"),
        (["-l"], ""),
    ],
)
def test_sudo_runs_the_command(sudo: str, arguments: list[str], output: str) -> None:
    run = subprocess.run([sudo, *arguments], capture_output=True, text=True, check=True)
    assert run.stdout == output


def test_sudo_passes_the_exit_status_on(sudo: str) -> None:
    assert subprocess.run([sudo, "sh", "-c", "exit 7"]).returncode == 7
    assert subprocess.run([sudo, "no-such-program"], capture_output=True).returncode == 127
    run = subprocess.run([sudo], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (1, "usage: sudo [options] command\n")
