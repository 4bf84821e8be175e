"""A session goes in, 30 ranked items come out: pure compute over a loaded bundle."""
