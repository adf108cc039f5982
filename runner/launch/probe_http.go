package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// newHTTPProbe: ready when a GET is answered with 2xx or 3xx. Redirects are not followed, proxies not asked. As the kubelet's, it trusts any
// certificate, and sends the headers that it is given: #Host=orders.example&X-Probe=1, escaped as parameters are.
func newHTTPProbe(u *url.URL, connector *connector, _ string) (probe, error) {
	headers, err := url.ParseQuery(u.EscapedFragment())
	if err != nil {
		return nil, errors.New("its headers can't be read")
	}
	return func(ctx context.Context) error {
		return get(ctx, connector, u, headers, func(status int) bool { return status < 400 })
	}, nil
}

// newS3Probe: ready when an unauthenticated request is answered at all (with 403, usually), but not 5xx: a store that is starting says 503.
func newS3Probe(u *url.URL, connector *connector, _ string) (probe, error) {
	root := &url.URL{Scheme: "http", Host: u.Host, Path: "/"}
	return func(ctx context.Context) error {
		return get(ctx, connector, root, nil, func(status int) bool { return status < 500 })
	}, nil
}

// newTCPProbe: ready when it accepts a connection.
func newTCPProbe(_ *url.URL, connector *connector, _ string) (probe, error) {
	return func(ctx context.Context) error {
		conn, err := connector.open(ctx)
		if err != nil {
			return err
		}
		return conn.Close()
	}, nil
}

// newDNSProbe: ready when the name has an address. A headless Service of something without a port has one as soon as a pod of it runs.
func newDNSProbe(_ *url.URL, connector *connector, _ string) (probe, error) {
	return func(ctx context.Context) error {
		addresses, err := connector.lookup(ctx, connector.host)
		if err == nil && len(addresses) > 0 {
			return nil
		}
		return fmt.Errorf("does not run: its name has no address (%s)", lookupError(err))
	}, nil
}

// get makes one HTTP/1.1 request on its own connection.
func get(ctx context.Context, connector *connector, u *url.URL, headers url.Values, ready func(status int) bool) error {
	conn, err := connector.open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if u.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: connector.host, InsecureSkipVerify: true})
	}
	request := &http.Request{
		Method: http.MethodGet,
		URL:    u,
		Host:   u.Host,
		Header: http.Header{"User-Agent": {"seatrial-launch/" + version}, "Accept": {"*/*"}},
		Close:  true,
	}
	for name, values := range headers {
		if name = http.CanonicalHeaderKey(name); name == "Host" {
			request.Host = values[0]
		} else {
			request.Header[name] = values
		}
	}
	if err := request.Write(conn); err != nil {
		return err
	}
	reader := bufio.NewReader(conn)
	for {
		response, err := http.ReadResponse(reader, request)
		if err != nil {
			return err
		}
		if response.StatusCode < 200 { // 103 Early Hints: the answer is still to come
			response.Body.Close()
			continue
		}
		defer response.Body.Close()
		if ready(response.StatusCode) {
			return nil
		}
		if text := excerpt(response.Body); text != "" {
			return fmt.Errorf("HTTP %d: %s", response.StatusCode, text)
		}
		return fmt.Errorf("HTTP %d", response.StatusCode)
	}
}

// bodyLimit is how many bytes of an answer are shown: a health check names in few words what it misses.
const bodyLimit = 200

// excerpt is the beginning of an answer, on one line; empty for what is no text, and for pages and other markup.
func excerpt(body io.Reader) string {
	data, _ := io.ReadAll(io.LimitReader(body, bodyLimit+1)) // what came before an error is worth showing
	rest := ""
	if len(data) > bodyLimit {
		data, rest = data[:bodyLimit], "…"
		for len(data) > 0 && !utf8.Valid(data) && len(data) > bodyLimit-utf8.UTFMax {
			data = data[:len(data)-1] // within a character
		}
	}
	text := strings.Join(strings.Fields(string(data)), " ")
	if text == "" || text[0] == '<' || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return ""
	}
	return text + rest
}
