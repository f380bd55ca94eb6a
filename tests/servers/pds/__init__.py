"""A real AT Protocol server (the reference PDS) and its did:plc directory, both on 127.0.0.1."""
