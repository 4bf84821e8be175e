"""Tests of serving/http: the endpoint."""
