"""Single operations: each kernel variant on each case, verified, then timed or counted."""
