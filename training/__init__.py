"""Event logs to verified bundles. Nothing here is imported in production."""
