"""Small durable facts: requests, loads, applied loads, pacing budgets, leases."""
