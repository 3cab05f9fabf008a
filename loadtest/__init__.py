"""Black-box measurements over HTTP. They must not import the server."""
