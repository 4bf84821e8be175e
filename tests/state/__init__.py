"""Tests of serving/state: stores, topics, producer."""
