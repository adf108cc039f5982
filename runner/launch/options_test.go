package main

import (
	"strings"
	"testing"
	"time"
)

func environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, found := values[name]
		return value, found
	}
}

func TestParseOptions(t *testing.T) {
	o, err := parseOptions("run", []string{
		"--python", "--wait", "postgres=postgres://app@postgres:5432/app?password-env=PW", "--wait", "api=http://api:8000/health",
		"--timeout", "90s", "--run-timeout", "30m", "--record", "r", "--output", "o", "--output-limit", "2MiB", "--gates", "g", "--beacon", ":7070",
		"--prepend-env", "PYTHONPATH=/seatrial/python", "--copy", "/source:/tests", "--chdir", "/tests", "--", "-m", "pytest", "--", "x",
	}, environment(map[string]string{"PW": "secret"}))
	if err != nil {
		t.Fatal(err)
	}
	if len(o.dependencies) != 2 || o.dependencies[0].name != "postgres" || o.dependencies[1].target != "http://api:8000/health" {
		t.Errorf("dependencies: %+v", o.dependencies)
	}
	if got := strings.Join(o.command, " "); got != "-m pytest -- x" {
		t.Errorf("command: %q", got)
	}
	if o.timeout != 90*time.Second || o.runTimeout != 30*time.Minute || o.outputLimit != 2<<20 || !o.python {
		t.Errorf("options: %+v", o)
	}
	if o.prepend[0] != (pair{"PYTHONPATH", "/seatrial/python"}) || o.copies[0] != (pair{"/source", "/tests"}) {
		t.Errorf("pairs: %v %v", o.prepend, o.copies)
	}
}

func TestOptionsThatNeedASupervisor(t *testing.T) {
	for flags, want := range map[string]bool{
		"":                   false,
		"--chdir /":          false,
		"--gates g":          false,
		"--record r":         true,
		"--output o":         true,
		"--beacon :7070":     true,
		"--run-timeout 1m":   true,
		"--prepend-env A=b":  false,
		"--wait a=tcp://b:1": false,
	} {
		o, err := parseOptions("run", append(strings.Fields(flags), "--", "true"), environment(nil))
		if err != nil || o.supervised() != want {
			t.Errorf("%q: supervised %v, want %v (%v)", flags, o.supervised(), want, err)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	for _, test := range []struct{ command, args, want string }{
		{"run", "", "needs a command"},
		{"run", "--python", "needs a command"},
		{"wait", "-- true", "wait runs no command"},
		{"wait", "--record r", "not defined: -record"},
		{"run", "--nonsense -- true", "not defined: -nonsense"},
		{"run", "--timeout 0s -- true", "not a time above zero"},
		{"run", "--timeout 300 -- true", "not a time above zero"},
		{"run", "--run-timeout -1s -- true", "not a time above zero"},
		{"run", "--output-limit lots -- true", "not a size"},
		{"run", "--copy /a -- true", "SOURCE:TARGET"},
		{"run", "--prepend-env A -- true", "K=V"},
		{"run", "--wait a=tcp://b:1 --wait a=tcp://c:1 -- true", "given twice"},
	} {
		_, err := parseOptions(test.command, strings.Fields(test.args), environment(nil))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: got %v, want %q", test.command, test.args, err, test.want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "10": 10, "64KiB": 64 << 10, "50MiB": 50 << 20, "1GiB": 1 << 30} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "5MB", "MiB", "9999999999999GiB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", text, got)
		}
	}
	for size, want := range map[int64]string{7: "7 bytes", 2048: "2 KiB", 50 << 20: "50 MiB", 1 << 30: "1 GiB", 1<<20 + 1: "1048577 bytes"} {
		if got := sizeText(size); got != want {
			t.Errorf("sizeText(%d) = %q, want %q", size, got, want)
		}
	}
}

func TestParseDependency(t *testing.T) {
	env := environment(map[string]string{"PW": "hunter2"})
	for value, target := range map[string]string{
		"db=postgres://app@db:5432/orders?password-env=PW":   "postgres://app@db:5432/orders",
		"db=postgres://app@db/orders":                        "postgres://app@db/orders",
		"s3=s3://minio:9000":                                 "s3://minio:9000",
		"t=temporal://temporal:7233?namespace=a&namespace=b": "temporal://temporal:7233",
		"r=redis://redis:6379?password-env=PW":               "redis://redis:6379",
		"api=http://api:8000/ready?deep=1":                   "http://api:8000/ready?deep=1",
		"api=https://api/ready#Authorization=Bearer%20x":     "https://api/ready",
		"m=tcp://127.0.0.1:7070":                             "tcp://127.0.0.1:7070",
		"m=tcp://[::1]:7070":                                 "tcp://[::1]:7070",
		"g=grpc://orders:50051/shop.Orders":                  "grpc://orders:50051/shop.Orders",
		"w=dns://worker":                                     "dns://worker",
	} {
		dependency, err := parseDependency(value, env)
		if err != nil {
			t.Errorf("%s: %v", value, err)
		} else if dependency.target != target || dependency.name == "" || dependency.probe == nil {
			t.Errorf("%s: %+v", value, dependency)
		}
	}
}

func TestDependencyRefused(t *testing.T) {
	env := environment(map[string]string{"PW": "hunter2"})
	for value, want := range map[string]string{
		"http://api:80/":                   "NAME=URL",
		"=http://api:80/":                  "NAME=URL",
		"http://api:80/?a=b":               "NAME=URL",
		"a=api:80":                         "not a URL",
		"a=":                               "not a URL",
		"a=ftp://x:1":                      "can't wait for ftp://",
		"a=tcp://x":                        "needs a port",
		"a=grpc://x":                       "needs a port",
		"a=dns://x/y":                      "takes no path",
		"a=tcp://x:1/path":                 "takes no path",
		"a=redis://x:1/0":                  "takes no path",
		"a=http://me@x:1/":                 "takes no user",
		"a=tcp://x:1#part":                 "fragment",
		"a=http://x:1/#a;b":                "headers can't be read",
		"a=tcp://x:1?y=z":                  `no parameter "y"`,
		"a=temporal://x?namespaces=b":      `no parameter "namespaces"`,
		"a=temporal://x?namespace=":        "namespace is empty",
		"a=postgres://db:5432/app":         "needs a user",
		"a=postgres://me@db:5432/app/more": "one database",
		"a=postgres://me@db/app?password-env=MISSING": "MISSING, which should hold the password, is not set",
		"a=postgres://me:hunter2@db/app":              "no password in the URL",
		"a=redis://me:hunter2@db:6379":                "no password in the URL",
		"a=redis://me@db:6379":                        "a user needs a password",
		"a=postgres://me:hunter2@db:notaport/app":     "not a URL",
	} {
		_, err := parseDependency(value, env)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", value, err, want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the message shows the password: %v", value, err)
		}
	}
}
