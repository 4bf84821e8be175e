"""What is known of a session, and what it is shown: ranking, state, and the endpoint."""
