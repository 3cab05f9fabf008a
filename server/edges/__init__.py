"""What a connection may take: headers, time to send, time to be read. It must not know routes."""
