"""One file a verb: what it takes, what its help says, what it calls and prints.

What a verb needs beyond the standard library is imported when it runs: --help must be instant.
"""
