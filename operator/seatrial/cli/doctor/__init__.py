"""`seatrial doctor`: whether runs can work here, and what to do where they can't."""
