"""Gates: whole campaigns of faults, with the workers, the Kafka and the Redis that production has."""
