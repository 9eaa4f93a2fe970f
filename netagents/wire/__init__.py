"""Codec, transports, handshake: how messages travel."""
