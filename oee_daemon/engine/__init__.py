"""The order's life: accepted, executed attempt by attempt, settled by what the chain says, recovered."""
