"""`seatrial init`: writes a manifest from what a project has. Reading is at the edges, the rest is pure."""
