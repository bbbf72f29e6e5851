"""What `oee doctor` looks at: each module here but the first two holds checks."""
