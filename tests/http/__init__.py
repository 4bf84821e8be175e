"""Laws of the endpoint."""
