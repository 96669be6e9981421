package client

import (
	"net/http"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/secure"
)

const token = "0123456789abcdef"

func TestTokenStaysOffCleartextNetworks(t *testing.T) {
	ctx := testContext(t)
	// A loopback coordinator, or what passes for one, names a leader elsewhere.
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("shown: %v", r.Header)
		}
		answer(t, w, 421, api.Error{Code: api.CodeNotLeader, Message: "not me", Leader: "192.0.2.1:7071"})
	})
	c := newClient(t, Options{Token: token}, "http://"+address)
	if _, err := c.Runs(ctx); err == nil || !strings.Contains(err.Error(), "192.0.2.1:7071: a token is not sent") || strings.Contains(err.Error(), token) {
		t.Errorf("the leader elsewhere was asked: %v", err)
	}
}

func TestEndpointsThatCannotBe(t *testing.T) {
	identity, err := secure.Open(secure.Files{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for endpoint, o := range map[string]Options{
		"https://127.0.0.1:1": {},
		"http://192.0.2.1:1":  {Token: token},
		"192.0.2.1:1":         {Token: token},
		"http://127.0.0.1:1":  {Identity: identity},
		"ftp://127.0.0.1:1":   {},
	} {
		c := newClient(t, o, endpoint)
		_, err := c.Runs(testContext(t))
		if c.Check() == nil || err == nil {
			t.Errorf("%s with %+v: %v, %v", endpoint, o, c.Check(), err)
		}
	}
	for endpoint, o := range map[string]Options{"127.0.0.1:1": {Token: token}, "https://192.0.2.1:1": {Identity: identity, Token: token}} {
		if err := newClient(t, o, endpoint).Check(); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}
