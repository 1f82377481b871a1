"""The networks of the published spaces."""
