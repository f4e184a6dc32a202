"""What is measured: one module a case, each with ``measure(setting)`` that returns the case's results."""
