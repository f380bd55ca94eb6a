"""Real servers for tests (PostgreSQL, an AT Protocol PDS, our own sandbox) and the processes they run in."""
