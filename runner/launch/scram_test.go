package main

import (
	"strings"
	"testing"
)

// The exchange of RFC 7677, section 3.
const (
	rfcNonce     = "rOprNGfwEbeRWgbNEkqO"
	rfcChallenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	rfcFinal     = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	rfcVerifier  = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

func rfcExchange() *scram {
	return &scram{user: "user", nonce: rfcNonce, salted: saltPassword("pencil")}
}

func TestScramVectors(t *testing.T) {
	exchange := rfcExchange()
	if first := exchange.first(); first != "n,,n=user,r="+rfcNonce {
		t.Errorf("first: %s", first)
	}
	final, err := exchange.final(rfcChallenge)
	if err != nil || final != rfcFinal {
		t.Errorf("final: %s, %v", final, err)
	}
	if err := exchange.verify(rfcVerifier); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"", "v=", "v=AAAA", "e=other-error", "v=" + strings.Repeat("A", 43) + "="} {
		if exchange.verify(wrong) == nil {
			t.Errorf("accepted the signature %q", wrong)
		}
	}
}

func TestScramRefusesBadChallenges(t *testing.T) {
	for challenge, want := range map[string]string{
		"":                                      "can't be read",
		"r=" + rfcNonce + "x,s=!!,i=1":          "can't be read",
		"r=" + rfcNonce + "x,s=AAAA":            "can't be read",
		"r=" + rfcNonce + "x,s=AAAA,i=0":        "can't be read",
		"r=" + rfcNonce + ",s=AAAA,i=1":         "nonce",
		"r=other,s=AAAA,i=1":                    "nonce",
		"r=" + rfcNonce + "x,s=AAAA,i=99999999": "99999999 iterations",
	} {
		if _, err := rfcExchange().final(challenge); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", challenge, err, want)
		}
	}
	if (&scram{}).verify(rfcVerifier) == nil {
		t.Error("accepted a signature before the challenge")
	}
}
