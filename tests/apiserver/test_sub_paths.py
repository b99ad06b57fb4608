"""Paths inside of volumes that the API refuses, in Kubernetes' words."""

import pytest

from lateen.apiserver.kinds.strategy import registry


@pytest.mark.parametrize("field", ["subPath", "subPathExpr"])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a/../../b", "must not contain '..'"),
        ("..", "must not contain '..'"),
        ("/a", "must be a relative path"),
        ("a/b", ""),
        ("a..b", ""),
        ("$(POD)", ""),
    ],
)
def test_a_path_inside_of_a_volume(field: str, path: str, why: str) -> None:
    mount = {"name": "v", "mountPath": "/x", field: path}
    one = {"name": "main", "image": "nginx", "volumeMounts": [mount]}
    spec = {"containers": [one], "volumes": [{"name": "v", "emptyDir": {}}]}
    pods = registry.strategy_for("pods")
    causes = pods.validate_create(pods.default({"metadata": {"name": "a"}, "spec": spec}))
    found = [(one.field, one.message) for one in causes]
    at = f"spec.containers[0].volumeMounts[0].{field}"
    assert found == ([(at, f'Invalid value: "{path}": {why}')] if why else [])
