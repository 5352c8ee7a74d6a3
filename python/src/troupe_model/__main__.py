"""python -m troupe_model inspect FILE"""
from __future__ import annotations

import argparse
import sys

from troupe_model.errors import ExportError
from troupe_model.inspecting import describe


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="troupe_model", description="Model files for Troupe.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    inspect = commands.add_parser("inspect", help="say what is inside of a model file")
    inspect.add_argument("file")
    options = parser.parse_args(arguments)
    try:
        print(describe(options.file))
    except ExportError as error:
        print(f"troupe_model: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
