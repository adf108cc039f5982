package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// dependency is something that must answer before the command starts.
type dependency struct {
	name   string
	target string // for people: the URL without its parameters
	probe  probe
}

// probe asks once. It returns nil when the dependency is ready, and keeps to the deadline of its context.
type probe func(context.Context) error

// scheme says how a kind of URL is read.
type scheme struct {
	port       string   // when the URL has none; "" means that it must have one
	path       bool     // may have a path
	user       bool     // may have a user
	parameters []string // its own parameters; nil means that they belong to the URL's path
	headers    bool     // its #fragment holds headers to send
	build      func(*url.URL, *connector, string) (probe, error)
}

var schemes = map[string]scheme{
	"postgres": {"5432", true, true, []string{"password-env"}, false, newPostgresProbe},
	"s3":       {"9000", false, false, []string{}, false, newS3Probe},
	"temporal": {"7233", false, false, []string{"namespace"}, false, newTemporalProbe},
	"redis":    {"6379", false, true, []string{"cluster", "password-env"}, false, newRedisProbe},
	"http":     {"80", true, false, nil, true, newHTTPProbe},
	"https":    {"443", true, false, nil, true, newHTTPProbe},
	"dns":      {"0", false, false, []string{}, false, newDNSProbe},
	"tcp":      {"", false, false, []string{}, false, newTCPProbe},
	"grpc":     {"", true, false, []string{}, false, newGRPCProbe},
}

// parseDependency reads NAME=URL. Its errors never quote the URL when that could hold a password.
func parseDependency(value string, env func(string) (string, bool)) (*dependency, error) {
	name, address, found := strings.Cut(value, "=")
	if !found || name == "" || strings.ContainsAny(name, ":/?@") {
		return nil, errors.New("not of the form NAME=URL")
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("%s: not a URL such as tcp://host:8080", name)
	}
	if _, hasPassword := u.User.Password(); hasPassword {
		return nil, fmt.Errorf("%s: no password in the URL, please: put it into an environment variable and add ?password-env=VARIABLE", name)
	}
	kind, known := schemes[u.Scheme]
	switch {
	case !known:
		return nil, fmt.Errorf("%s: can't wait for %s://: use postgres, s3, temporal, redis, http, https, tcp, grpc or dns", name, u.Scheme)
	case u.Port() == "" && kind.port == "":
		return nil, fmt.Errorf("%s: %s:// needs a port", name, u.Scheme)
	case !kind.path && strings.Trim(u.Path, "/") != "":
		return nil, fmt.Errorf("%s: %s:// takes no path", name, u.Scheme)
	case !kind.user && u.User != nil:
		return nil, fmt.Errorf("%s: %s:// takes no user", name, u.Scheme)
	case !kind.headers && u.Fragment != "":
		return nil, fmt.Errorf("%s: a URL to wait for has no #fragment", name)
	}
	password, err := readParameters(u, kind, env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	port := u.Port()
	if port == "" {
		port = kind.port
	}
	build, err := kind.build(u, newConnector(net.JoinHostPort(u.Hostname(), port)), password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	shown := *u
	shown.Fragment, shown.RawFragment = "", "" // headers may be secret
	if kind.parameters != nil {
		shown.RawQuery = ""
	}
	return &dependency{name: name, target: shown.String(), probe: build}, nil
}

// readParameters refuses what the scheme does not know, and returns the password that password-env names.
func readParameters(u *url.URL, kind scheme, env func(string) (string, bool)) (password string, err error) {
	if kind.parameters == nil {
		return "", nil
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", errors.New("its parameters can't be read")
	}
	for key, values := range query {
		allowed := false
		for _, parameter := range kind.parameters {
			allowed = allowed || parameter == key
		}
		if !allowed {
			return "", fmt.Errorf("%s:// has no parameter %q", u.Scheme, key)
		}
		for _, value := range values {
			if value == "" {
				return "", fmt.Errorf("the parameter %s is empty", key)
			}
		}
	}
	variable := query.Get("password-env")
	if variable == "" {
		return "", nil
	}
	password, found := env(variable)
	if !found {
		return "", fmt.Errorf("the environment variable %s, which should hold the password, is not set", variable)
	}
	return password, nil
}
