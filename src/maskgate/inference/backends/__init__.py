"""What runs a network: one module a library, which is imported where a network needs it."""
