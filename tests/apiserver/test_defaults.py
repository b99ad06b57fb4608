"""A new object has what a cluster adds to it: examples in `cases/defaults`.

`LATEEN_GOLDEN=write pytest tests/apiserver/test_defaults.py` writes what is found, to be read.
"""

import os
from pathlib import Path

import pytest
import yaml

from lateen.apiserver.kinds.strategy import registry
from lateen.model.schema import decode, kinds

CASES = sorted((Path(__file__).parent / "cases" / "defaults").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_case(case: Path) -> None:
    found = []
    for body in yaml.safe_load_all((case / "in.yaml").read_text()):
        info = kinds.find(body["apiVersion"], body["kind"])
        assert info is not None
        strategy = registry.strategy_for(info.resource)
        new = strategy.prepare_create(strategy.default(decode.decode(info, body).body))
        assert strategy.validate_create(new) == ()
        assert strategy.default(new) == new
        assert decode.decode(info, new).problems == ()
        found.append(new)
    expected = case / "out.yaml"
    if os.environ.get("LATEEN_GOLDEN") == "write":
        expected.write_text(yaml.safe_dump_all(found, sort_keys=False), encoding="utf-8")
    assert found == list(yaml.safe_load_all(expected.read_text()))
