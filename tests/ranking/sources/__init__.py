"""Candidate sources: the laws that bind them all, and what each of them alone must know."""
