"""How good the lists are, on real logs; `make quality`."""
