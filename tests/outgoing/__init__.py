"""Tests of hayon.outgoing, over real sockets."""
