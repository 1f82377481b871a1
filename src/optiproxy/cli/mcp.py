"""``optiproxy mcp``."""

from __future__ import annotations


def mcp(*, storage: str | None = None) -> int:
    """Serves new, ask, tell, renew, release and status to agents (MCP), over stdin and stdout.

    Needs the extra: pip install 'optiproxy[mcp]'.

    Args:
        storage: A journal file or a database for all studies; by default ./NAME.journal for each.
    """
    from optiproxy.errors import OptiProxyError

    try:
        from optiproxy.cli._mcp_server import server
    except ImportError as error:
        raise OptiProxyError(f"mcp: {error}; pip install 'optiproxy[mcp]'") from None
    server(storage).run("stdio")
    return 0
