"""What runs in the workers: one module a contestant, each with ``prepare(job)``; see `benchmarks.worker`."""
