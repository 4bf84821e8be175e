"""The endpoint: reads Redis, ranks on demand, takes events in."""
