"""Real services for the tests: Kafka, Redis and a Redis Cluster, started once a run, owned by the guardian."""
