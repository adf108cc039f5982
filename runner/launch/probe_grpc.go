package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	healthCheck       = "/grpc.health.v1.Health/Check"
	workflowService   = "temporal.api.workflowservice.v1.WorkflowService"
	describeNamespace = "/" + workflowService + "/DescribeNamespace"
)

// newGRPCProbe: ready when the standard health service says SERVING, of the service in the URL's path or of the server.
func newGRPCProbe(u *url.URL, connector *connector, _ string) (probe, error) {
	service := strings.Trim(u.Path, "/")
	return func(ctx context.Context) error {
		client, err := dialGRPC(ctx, connector)
		if err != nil {
			return err
		}
		defer client.Close()
		return client.serving(ctx, service)
	}, nil
}

// newTemporalProbe: ready when the frontend is SERVING and every namespace in the URL is registered.
func newTemporalProbe(u *url.URL, connector *connector, _ string) (probe, error) {
	namespaces := u.Query()["namespace"]
	return func(ctx context.Context) error {
		client, err := dialGRPC(ctx, connector)
		if err != nil {
			return err
		}
		defer client.Close()
		if err := client.serving(ctx, workflowService); err != nil {
			return err
		}
		for _, namespace := range namespaces {
			if _, err := client.call(ctx, describeNamespace, protoString(1, namespace)); err != nil {
				return fmt.Errorf("namespace %s: %w", namespace, err)
			}
		}
		return nil
	}, nil
}

// grpcClient makes unary calls over one connection, HTTP/2 without TLS.
type grpcClient struct {
	conn      net.Conn
	transport *http.Transport
	authority string
}

func dialGRPC(ctx context.Context, connector *connector) (*grpcClient, error) {
	conn, err := connector.open(ctx)
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	dialed := false
	transport := &http.Transport{
		Protocols: protocols,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if dialed {
				return nil, io.ErrUnexpectedEOF // the one connection of this attempt is gone
			}
			dialed = true
			return conn, nil
		},
	}
	return &grpcClient{conn, transport, connector.address()}, nil
}

func (c *grpcClient) Close() {
	c.transport.CloseIdleConnections()
	c.conn.Close()
}

func (c *grpcClient) serving(ctx context.Context, service string) error {
	answer, err := c.call(ctx, healthCheck, protoString(1, service))
	if err != nil {
		if problem, ok := errors.AsType[grpcError](err); ok && problem.code == grpcUnimplemented {
			return errors.New("the server has no grpc.health.v1 service: wait for tcp:// instead")
		}
		return err
	}
	status, err := protoVarint(answer, 1)
	if err != nil {
		return err
	}
	states := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	if status >= uint64(len(states)) {
		return fmt.Errorf("health status %d", status)
	}
	if states[status] != "SERVING" {
		return errors.New(states[status])
	}
	return nil
}

// grpcError is an answer with another status than OK.
type grpcError struct {
	code    int
	message string
}

const grpcUnimplemented = 12

var grpcCodes = []string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

func (e grpcError) Error() string {
	name := "gRPC status " + strconv.Itoa(e.code)
	if e.code < len(grpcCodes) {
		name = grpcCodes[e.code]
	}
	if e.message == "" {
		return name
	}
	return name + ": " + e.message
}

var errNotGRPC = errors.New("not an answer of gRPC")

// call makes a unary call and returns the message of the answer.
func (c *grpcClient) call(ctx context.Context, method string, message []byte) ([]byte, error) {
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...) // 0: not compressed
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.authority+method, bytes.NewReader(frame))
	if err != nil {
		return nil, err
	}
	request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"seatrial-launch/" + version}}
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", response.StatusCode)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	// An answer without a message carries its status in the headers, every other one in the trailers.
	ending := response.Trailer
	if response.Header.Get("Grpc-Status") != "" {
		ending = response.Header
	}
	code, err := strconv.Atoi(ending.Get("Grpc-Status"))
	if err != nil || code < 0 {
		return nil, errNotGRPC
	}
	if code != 0 {
		text, err := url.PathUnescape(ending.Get("Grpc-Message"))
		if err != nil {
			text = ending.Get("Grpc-Message")
		}
		return nil, grpcError{code, text}
	}
	if len(answer) < 5 || answer[0] != 0 || int(binary.BigEndian.Uint32(answer[1:])) != len(answer)-5 {
		return nil, errNotGRPC
	}
	return answer[5:], nil
}

// protoString encodes a string field of a Protocol Buffers message; an empty one is left out.
func protoString(field int, value string) []byte {
	if value == "" {
		return nil
	}
	encoded := binary.AppendUvarint(nil, uint64(field)<<3|2)
	return append(binary.AppendUvarint(encoded, uint64(len(value))), value...)
}

// protoVarint finds a number (or an enum) in a Protocol Buffers message; 0 if the message has no such field.
func protoVarint(message []byte, field uint64) (uint64, error) {
	found := uint64(0)
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return 0, errNotGRPC
		}
		message = message[n:]
		skip := uint64(0)
		switch tag & 7 {
		case 0:
			value, n := binary.Uvarint(message)
			if n <= 0 {
				return 0, errNotGRPC
			}
			if tag>>3 == field {
				found = value
			}
			skip = uint64(n)
		case 1:
			skip = 8
		case 2:
			size, n := binary.Uvarint(message)
			if n <= 0 || size > uint64(len(message)) {
				return 0, errNotGRPC
			}
			skip = uint64(n) + size
		case 5:
			skip = 4
		default:
			return 0, errNotGRPC
		}
		if skip > uint64(len(message)) {
			return 0, errNotGRPC
		}
		message = message[skip:]
	}
	return found, nil
}
