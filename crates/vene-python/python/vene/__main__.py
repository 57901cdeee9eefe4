"""The command `vene`, out of the same library as the Rust binary."""

import sys

from vene._vene import command


def main() -> None:
    sys.exit(command(["vene", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
