"""Real servers for tests (PostgreSQL, an AT Protocol PDS, an S3 gateway, our own sandbox) and the processes they run in."""
