"""What outlives a process: sessions and recommendations in Redis, bundles on disk, topics in Kafka."""
