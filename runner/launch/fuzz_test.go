package main

import (
	"strings"
	"testing"
)

// What the launcher parses comes from the operator, from the machine and from whatever answers on a port. The seeds run as ordinary tests.

func FuzzParseDependency(f *testing.F) {
	for _, seed := range []string{
		"db=postgres://me@db:5432/app?password-env=PW", "s3=s3://minio:9000", "t=temporal://t?namespace=a&namespace=b", "r=redis://r",
		"web=http://web:8000/health?x=%zz", "a=tcp://[::1]:80", "g=grpc://g:1/Service", "n=dns://n", "=", "a=b", "a=tcp://:@:", "a=http://\x00",
	} {
		f.Add(seed)
	}
	env := func(name string) (string, bool) { return "secret-value", name != "" }
	f.Fuzz(func(t *testing.T, value string) {
		dependency, err := parseDependency(value, env)
		if err != nil {
			if strings.Contains(err.Error(), "secret-value") {
				t.Errorf("%q: the error has the password: %v", value, err)
			}
			return
		}
		if dependency.name == "" || dependency.probe == nil || strings.Contains(dependency.target, "secret-value") {
			t.Errorf("%q: %+v", value, dependency)
		}
	})
}

func FuzzParseOptions(f *testing.F) {
	for _, seed := range []string{
		"--timeout 5s --wait a=tcp://b:1 -- true", "--output-limit 9999999999GiB -- a", "--prepend-env K=V --copy /a:/b -- x y", "--", "--run-timeout -1s -- a",
		"--wait a=tcp://b:1 --wait a=tcp://b:1 -- a", "-h", "--record\x00 -- a",
	} {
		f.Add(seed)
	}
	env := func(string) (string, bool) { return "", false }
	f.Fuzz(func(t *testing.T, line string) {
		options, err := parseOptions("run", strings.Fields(line), env)
		if err == nil && (len(options.command) == 0 || options.timeout <= 0 || options.outputLimit < 0) {
			t.Errorf("%q: %+v", line, options)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, seed := range []string{"0", "1", "64KiB", "50MiB", "1GiB", "-1", "9223372036854775807GiB", "KiB", "1 KiB", "٣"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		size, err := parseSize(value)
		if err != nil {
			return
		}
		text := strings.ReplaceAll(strings.TrimSuffix(sizeText(size), " bytes"), " ", "")
		if again, err := parseSize(text); size < 0 || err != nil || again != size {
			t.Errorf("%q: %d, written as %q, read as %d, %v", value, size, text, again, err)
		}
	})
}

func FuzzOOMCandidates(f *testing.F) {
	for _, seed := range []string{"0::/kubepods/pod1\n", "4:memory:/a\n3:cpu:/b", "0:::", "1:a,memory,b:/../..", "::", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, membership string) {
		for _, candidate := range oomCandidates(membership) {
			if !strings.HasPrefix(candidate, "sys/fs/cgroup") {
				t.Errorf("%q: %s", membership, candidate)
			}
		}
	})
}

func FuzzPostgresAnswers(f *testing.F) {
	f.Add([]byte("SFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"))
	f.Add([]byte("M"))
	f.Add([]byte("r=nserver,s=c2FsdA==,i=4096"))
	f.Add([]byte("v=AAAA"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		if postgresError(body) == nil {
			t.Errorf("%q is no error", body)
		}
		exchange := &scram{nonce: "n", user: "u", salted: saltPassword("password")}
		_, _ = exchange.final(string(body))
		if err := exchange.verify(string(body)); err == nil {
			t.Errorf("%q proves that the server knows the password", body)
		}
	})
}

func FuzzProtoVarint(f *testing.F) {
	f.Add([]byte{8, 1}, uint64(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, uint64(1))
	f.Add([]byte{10, 0xff, 0xff, 3}, uint64(2))
	f.Fuzz(func(t *testing.T, message []byte, field uint64) {
		_, _ = protoVarint(message, field) // must come to an end, and read nothing that is not there
	})
}
