"""The command line, ``optiproxy``: one thin file per command, loaded when it is used."""

from optiproxy.cli.app import main

__all__ = ["main"]
