"""Figures, measured on the machine that they are asked on, with the conditions they hold under."""
