"""An order service: HTTP API, Postgres, receipts in an object store, and a Temporal workflow for each order."""
