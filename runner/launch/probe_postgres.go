package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5" // a server may still ask for it
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
)

// newPostgresProbe: ready when a session of the user in the database is ready for a query. That is more than an open port:
// a server that starts up, recovers or is still being set up refuses the login.
func newPostgresProbe(u *url.URL, connector *connector, password string) (probe, error) {
	user, database := u.User.Username(), strings.Trim(u.Path, "/")
	switch {
	case user == "":
		return nil, errors.New("postgres:// needs a user: postgres://USER@HOST/DATABASE")
	case strings.ContainsAny(user+database, "\x00/"):
		return nil, errors.New("postgres:// takes one user and one database: postgres://USER@HOST/DATABASE")
	case database == "":
		database = user
	}
	salted := saltPassword(password)
	return func(ctx context.Context) error {
		conn, err := connector.open(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		session := postgresSession{conn, bufio.NewReader(conn), user, database, password, salted}
		if err := session.login(); err != nil {
			return err
		}
		return session.end()
	}, nil
}

// postgresSession is one session, in version 3.0 of PostgreSQL's protocol.
type postgresSession struct {
	conn                     net.Conn
	reader                   *bufio.Reader
	user, database, password string
	salted                   func([]byte, int) ([]byte, error)
}

// Requests of an Authentication message ('R').
const (
	authOK           = 0
	authCleartext    = 3
	authMD5          = 5
	authSASL         = 10
	authSASLContinue = 11
	authSASLFinal    = 12
)

func (p *postgresSession) login() error {
	if err := p.startup(); err != nil {
		return err
	}
	var exchange *scram
	for {
		kind, body, err := p.receive()
		if err != nil {
			return err
		}
		switch kind {
		case 'Z': // ReadyForQuery
			return nil
		case 'E':
			return postgresError(body)
		case 'R':
			if exchange, err = p.authenticate(body, exchange); err != nil {
				return err
			}
		case 'S', 'K', 'N', 'v': // ParameterStatus, BackendKeyData, NoticeResponse, NegotiateProtocolVersion
		default:
			return errNotPostgres
		}
	}
}

// end says goodbye.
func (p *postgresSession) end() error {
	return p.send('X', nil) // Terminate
}

// execute runs one statement that returns no rows.
func (p *postgresSession) execute(statement string) error {
	if err := p.send('Q', append([]byte(statement), 0)); err != nil {
		return err
	}
	var failed error
	for {
		kind, body, err := p.receive()
		switch {
		case err != nil:
			return err
		case kind == 'E':
			failed = postgresError(body)
		case kind == 'Z': // ReadyForQuery
			return failed
		}
	}
}

var errNotPostgres = errors.New("not an answer of PostgreSQL")

// startup sends the message that opens a session; the only one without a type.
func (p *postgresSession) startup() error {
	body := binary.BigEndian.AppendUint32(nil, 3<<16) // version 3.0
	for _, text := range []string{"user", p.user, "database", p.database, "application_name", "seatrial"} {
		body = append(append(body, text...), 0)
	}
	body = append(body, 0)
	_, err := p.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...))
	return err
}

func (p *postgresSession) send(kind byte, body []byte) error {
	message := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	_, err := p.conn.Write(append(message, body...))
	return err
}

// messageLimit is far above anything that a login sends.
const messageLimit = 64 << 10

func (p *postgresSession) receive() (kind byte, body []byte, err error) {
	var header [5]byte
	if _, err := io.ReadFull(p.reader, header[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(header[1:])
	if size < 4 || size > messageLimit {
		return 0, nil, errNotPostgres
	}
	body = make([]byte, size-4)
	_, err = io.ReadFull(p.reader, body)
	return header[0], body, err
}

// authenticate answers one request of the server. It returns the SCRAM exchange that is going on, if any.
func (p *postgresSession) authenticate(body []byte, exchange *scram) (*scram, error) {
	if len(body) < 4 {
		return nil, errNotPostgres
	}
	request, data := binary.BigEndian.Uint32(body), body[4:]
	if p.password == "" && request != authOK {
		return nil, errors.New("the server asks for a password, and none is given: add ?password-env=VARIABLE")
	}
	switch request {
	case authOK:
		return nil, nil
	case authCleartext:
		return nil, p.send('p', append([]byte(p.password), 0))
	case authMD5:
		return nil, p.send('p', append([]byte(md5Password(p.user, p.password, data)), 0))
	case authSASL:
		if !bytes.Contains(append([]byte{0}, data...), []byte("\x00SCRAM-SHA-256\x00")) {
			return nil, errors.New("the server offers no SCRAM-SHA-256")
		}
		// PostgreSQL takes the user from the startup message and expects none here.
		exchange = &scram{nonce: rand.Text(), salted: p.salted}
		first := exchange.first()
		body := binary.BigEndian.AppendUint32([]byte("SCRAM-SHA-256\x00"), uint32(len(first)))
		return exchange, p.send('p', append(body, first...))
	case authSASLContinue:
		if exchange == nil {
			return nil, errNotPostgres
		}
		final, err := exchange.final(string(data))
		if err != nil {
			return nil, err
		}
		return exchange, p.send('p', []byte(final))
	case authSASLFinal:
		if exchange == nil {
			return nil, errNotPostgres
		}
		return exchange, exchange.verify(string(data))
	}
	return nil, fmt.Errorf("the server asks for a kind of login (%d) that the launcher does not know: use scram-sha-256", request)
}

func md5Password(user, password string, salt []byte) string {
	inner := md5.Sum([]byte(password + user))
	outer := md5.Sum(append([]byte(hex.EncodeToString(inner[:])), salt...))
	return "md5" + hex.EncodeToString(outer[:])
}

// postgresError reads an ErrorResponse: fields of one letter and a text each.
func postgresError(body []byte) error {
	fields := map[byte]string{}
	for field := range bytes.SplitSeq(body, []byte{0}) {
		if len(field) > 1 {
			fields[field[0]] = string(field[1:])
		}
	}
	return fmt.Errorf("%s (SQLSTATE %s)", fields['M'], fields['C'])
}
