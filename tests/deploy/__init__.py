"""The files that put it into service, and what can be proved of them without an engine for containers."""
