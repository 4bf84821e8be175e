"""The worker: clickstream to sessions, sessions to recommendations."""
