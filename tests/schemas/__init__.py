"""Laws of the schemas."""
