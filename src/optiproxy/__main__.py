"""``python -m optiproxy``, where the command is not on the path."""

from optiproxy.cli.app import main

main()
