"""What is generated is as its generator wrote it, and serves what it is made for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
FILES = ("published.json", "wirefields.json")


def written(program: str) -> str:
    """Run a program beside the generator; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=TOOLS, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_fact_was_edited_by_hand() -> None:
    """`./run check` compares with what Kubernetes publishes, where that can be fetched."""
    assert written("import kubernetes_types as k; print(k.unsealed())") == "[]\n"


@pytest.mark.parametrize("name", FILES)
def test_a_fact_that_was_edited_is_found_and_a_word_may_change(name: str) -> None:
    program = (
        "import json, sys, kubernetes_types as k\n"
        f"content = json.loads(k.table({name!r}).read_text())\n"
        "part = content.get('structs', {}).get('core/v1', {}).get('Affinity')\n"
        "if part:\n"
        "    part['words'] = part['fields']['podAffinity'][2] = 'Other words.'\n"
        "    assert content['seal'] == k.seal(content)\n"
        "    part['fields']['podAffinity'][1] = {'required': True}\n"
        "else:\n"
        "    content['messages']['Affinity'] += ' 9:more:s'\n"
        "print(content['seal'] == k.seal(content))"
    )
    assert written(program) == "False\n"


def test_structs_are_made_when_they_are_asked_for() -> None:
    program = (
        "import lateen.model.kube.published as p, json\n"
        "made = lambda: p._made.cache_info().currsize\n"
        "print(json.dumps([made(), p.NodeAffinity.__doc__, made()]))"
    )
    before, words, after = json.loads(written(program))
    assert (before, words) == (0, "Nodes that a pod needs, or likes.")
    assert 0 < after < 6
