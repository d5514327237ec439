"""What happened at a door, from the events of `maskgate watch` and of the service.

People, verdicts, waiting times, faults of cameras, and drift of the pictures. The base install is
enough.
"""
