"""The pages that people read: rendered on the server, with no build step, and of use without JavaScript."""
