"""The command line, and the local sandbox it can run everything in."""
