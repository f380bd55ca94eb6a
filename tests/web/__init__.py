"""The front desk, through its door: a real server on a socket and a client that knows nothing of its inside."""
