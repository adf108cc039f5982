"""What runs in the user's pytest process and records what happens there, as one JSON object a line.

The suite does not see it: it has no thread, no object that comes or goes within a test, uses nothing that the suite may
replace (``system``), and no error of it reaches the session.
"""
