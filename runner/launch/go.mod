module seatrial.dev/launch

go 1.26
