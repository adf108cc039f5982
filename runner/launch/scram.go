package main

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// scramIterationsLimit bounds the work that a server may ask for (PostgreSQL's default is 4096).
const scramIterationsLimit = 1_000_000

// scram is the client's side of one SCRAM-SHA-256 exchange without channel binding (RFC 5802, RFC 7677).
// The password is used as it is: the Unicode normalisation that RFC 5802 asks for changes nothing in ASCII.
type scram struct {
	user, nonce string
	salted      func(salt []byte, iterations int) ([]byte, error)

	authMessage    string
	saltedPassword []byte
}

func saltPassword(password string) func([]byte, int) ([]byte, error) {
	var of string
	var result []byte
	return func(salt []byte, iterations int) ([]byte, error) {
		// The costly step. While a server is being set up it is asked 50 times a second, always with the same salt.
		if key := fmt.Sprintf("%d %x", iterations, salt); key != of {
			salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
			if err != nil {
				return nil, err
			}
			of, result = key, salted
		}
		return result, nil
	}
}

func (s *scram) firstBare() string {
	return "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s.user) + ",r=" + s.nonce
}

// first is the message that opens the exchange.
func (s *scram) first() string { return "n,," + s.firstBare() }

// final answers the server's challenge.
func (s *scram) final(challenge string) (string, error) {
	fields := scramFields(challenge)
	salt, saltErr := base64.StdEncoding.DecodeString(fields["s"])
	iterations, iterationsErr := strconv.Atoi(fields["i"])
	switch {
	case saltErr != nil || len(salt) == 0 || iterationsErr != nil || iterations < 1:
		return "", errors.New("SCRAM: the server's challenge can't be read")
	case iterations > scramIterationsLimit:
		return "", fmt.Errorf("SCRAM: the server asks for %d iterations, more than %d", iterations, scramIterationsLimit)
	case !strings.HasPrefix(fields["r"], s.nonce) || len(fields["r"]) == len(s.nonce):
		return "", errors.New("SCRAM: the server's nonce does not continue ours")
	}
	salted, err := s.salted(salt, iterations)
	if err != nil {
		return "", fmt.Errorf("SCRAM: %w", err)
	}
	withoutProof := "c=biws,r=" + fields["r"] // biws: base64 of "n,,", no channel binding
	s.saltedPassword = salted
	s.authMessage = s.firstBare() + "," + challenge + "," + withoutProof
	clientKey := hmacSHA256(salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	proof := hmacSHA256(storedKey[:], s.authMessage)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	return withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

// verify checks that the server knows the password, too.
func (s *scram) verify(final string) error {
	signature, err := base64.StdEncoding.DecodeString(scramFields(final)["v"])
	expected := hmacSHA256(hmacSHA256(s.saltedPassword, "Server Key"), s.authMessage)
	if err != nil || s.authMessage == "" || !hmac.Equal(signature, expected) {
		return errors.New("SCRAM: the server does not know the password")
	}
	return nil
}

func scramFields(message string) map[string]string {
	fields := map[string]string{}
	for field := range strings.SplitSeq(message, ",") {
		if key, value, found := strings.Cut(field, "="); found {
			fields[key] = value
		}
	}
	return fields
}

func hmacSHA256(key []byte, message string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(message))
	return mac.Sum(nil)
}
