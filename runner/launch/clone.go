package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// cloneTimeout is for one database; PostgreSQL itself waits five seconds for others to leave the template.
const cloneTimeout = 60 * time.Second

// clone is a database to be made anew as a copy of another one.
type clone struct {
	connector          *connector
	user, password     string
	database, template string
}

// parseClone reads postgres://USER@HOST/DATABASE?template=DATABASE&password-env=VARIABLE.
func parseClone(address string, env func(string) (string, bool)) (*clone, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" || u.Hostname() == "" {
		return nil, errors.New("not a URL such as postgres://USER@HOST/DATABASE?template=OTHER")
	}
	kind := schemes["postgres"]
	kind.parameters = []string{"password-env", "template"}
	password, err := readParameters(u, kind, env)
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = kind.port
	}
	c := &clone{newConnector(net.JoinHostPort(u.Hostname(), port)), u.User.Username(), password, strings.Trim(u.Path, "/"), u.Query().Get("template")}
	if c.user == "" || c.database == "" || c.template == "" || strings.ContainsAny(c.user+c.database+c.template, "\x00/") {
		return nil, errors.New("a copy needs a user, a database and a template")
	}
	return c, nil
}

func cloneFlag(target *[]*clone, env func(string) (string, bool)) func(string) error {
	return func(value string) error {
		c, err := parseClone(value, env)
		if err == nil {
			*target = append(*target, c)
		}
		return err
	}
}

// make replaces the database, from a session in the database `postgres`.
func (c *clone) make() error {
	ctx, cancel := context.WithTimeout(context.Background(), cloneTimeout)
	defer cancel()
	err := c.attempt(ctx)
	if err != nil {
		return fmt.Errorf("the database %s, a copy of %s, can't be made: %w", c.database, c.template, err)
	}
	return nil
}

func (c *clone) attempt(ctx context.Context) error {
	conn, err := c.connector.open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	session := postgresSession{conn, bufio.NewReader(conn), c.user, "postgres", c.password, saltPassword(c.password)}
	if err := session.login(); err != nil {
		return err
	}
	database, template := quoted(c.database), quoted(c.template)
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + database, "CREATE DATABASE " + database + " TEMPLATE " + template} {
		if err := session.execute(statement); err != nil {
			return err
		}
	}
	return session.end()
}

// quoted is a name as SQL writes it.
func quoted(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
