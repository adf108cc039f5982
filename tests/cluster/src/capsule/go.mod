module capsule

go 1.26
