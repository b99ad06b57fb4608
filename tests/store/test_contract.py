from collections.abc import Callable

from lateen.store import api


def test_store(check: Callable[[api.Store], None], store: api.Store) -> None:
    check(store)
