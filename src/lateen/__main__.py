"""`python -m lateen`."""

from lateen.cli.entry import main

main(by_module=True)
