"""What Python code and notebooks use: the same work as the command line's, with typed results that
show themselves in a notebook. `import maskgate` imports all of it; see docs/python.md."""
