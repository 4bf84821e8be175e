"""The dead letters of one installation: looked at, mended, and sent back."""
