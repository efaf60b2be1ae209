"""HTTP: bytes in, bytes out (Litestar)."""
