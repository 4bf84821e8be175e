"""Laws of the stream."""
