"""The console script. Loading the command tree takes longer than anything else before the first
message, so Ctrl-C during it must be as quiet as later."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from lateen.cli import main as tree
    except KeyboardInterrupt:
        sys.exit(130)
    tree.main()


if __name__ == "__main__":
    main()
