"""NAS-Bench-201's tables as tasks."""
