"""What happened at a door, from the events of `maskgate watch` and of the service: people, verdicts,
waiting times, faults of cameras, and drift of the pictures. The base install is enough."""
