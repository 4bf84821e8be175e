"""Figures, with the conditions they were measured under. `make bench` prints them; nothing here asserts a time."""
