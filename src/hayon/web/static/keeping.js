// Keeps what is written by itself.
