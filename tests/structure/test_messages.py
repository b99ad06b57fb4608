"""The page of messages is made from the catalogue."""

from pathlib import Path

from lateen.model.messages import diagnostics

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"


def test_the_page_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text() == diagnostics.page(), (
        "write it anew: python -c 'from lateen.model.messages import diagnostics; "
        'print(diagnostics.page(), end="")\' > docs/messages.md'
    )
