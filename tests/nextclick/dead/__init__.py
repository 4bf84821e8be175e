"""Laws of `nextclick dead`."""
