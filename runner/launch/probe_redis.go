package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// newRedisProbe: ready when PING is answered with PONG, after AUTH if there is a password. A cluster answers PING before it serves any slot,
// so there a key that does not exist is asked for, too.
func newRedisProbe(u *url.URL, connector *connector, password string) (probe, error) {
	user := u.User.Username()
	if user != "" && password == "" {
		return nil, errors.New("a user needs a password: add ?password-env=VARIABLE")
	}
	var commands []string
	switch {
	case user != "":
		commands = append(commands, redisCommand("AUTH", user, password))
	case password != "":
		commands = append(commands, redisCommand("AUTH", password))
	}
	if u.Query().Get("cluster") == "true" {
		commands = append(commands, redisCommand("EXISTS", "seatrial"))
	}
	commands = append(commands, redisCommand("PING"))
	return func(ctx context.Context) error {
		conn, err := connector.open(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		reader := bufio.NewReaderSize(io.LimitReader(conn, 4096), 512)
		answer := ""
		for _, command := range commands {
			if _, err := io.WriteString(conn, command); err != nil {
				return err
			}
			line, err := reader.ReadString('\n')
			if err != nil {
				return err
			}
			answer = strings.TrimSpace(line)
			if problem, failed := strings.CutPrefix(answer, "-"); failed {
				return errors.New(problem)
			}
		}
		if answer != "+PONG" {
			return fmt.Errorf("not an answer of Redis: %q", answer)
		}
		return nil
	}, nil
}

// redisCommand is a command in Redis' own form: an array of strings, each with its length.
func redisCommand(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	return b.String()
}
