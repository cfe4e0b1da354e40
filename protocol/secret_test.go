package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNothingPrintsASecret_S4_R12(t *testing.T) {
	const secret = "s3cr3t"
	inURL := "https://user:" + secret + "@fal.run/?" + secret
	values := []any{
		Credential{ServerURL: inURL, Username: "Bearer", Secret: secret, Headers: map[string]string{"X": secret}},
		Credential{Username: secret, Secret: secret},
		Query{ServerURL: inURL, Rejected: secret}, Query{ServerURL: "https://fal.run/" + secret, Rejected: secret},
		Login{ServerURL: inURL, Username: secret, Secret: secret},
		Request{Verb: "store", Payload: secret}, Secret(secret),
	}
	cred, query, login, request, alone := values[0].(Credential), values[2].(Query), values[4].(Login), values[5].(Request), values[6].(Secret)
	values = append(values, &cred, &query, &login, &request, &alone, []Credential{cred}, map[string]Query{"a": query}, struct{ L Login }{login}, []any{&request},
		// Where a verb is none for a pointer, fmt passes over the methods of what it points to.
		[]*Credential{&cred}, struct{ Q *Query }{&query}, map[string]*Login{"a": &login}, struct{ S Secret }{alone}, []Secret{alone}, map[string]Secret{"a": alone})
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%e", "%T"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, secret) || strings.Contains(got, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s of %T shows it: %s", verb, v, got)
			}
		}
		if got := fmt.Sprint(v) + fmt.Sprintln(v); strings.Contains(got, secret) {
			t.Errorf("Sprint of %T shows it: %s", v, got)
		}
		if text, err := json.Marshal(v); err != nil || strings.Contains(string(text), secret) {
			t.Errorf("JSON of %T shows it: %s, %v", v, text, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		if strings.Contains(log.String(), secret) {
			t.Errorf("slog of %T shows it: %s", v, log.String())
		}
	}
}

// What is printed of a Secret says no more of an empty one, and its bytes are there for
// whoever converts it.
func TestSecretIsHiddenAndThere(t *testing.T) {
	for _, s := range []Secret{"", "s3cr3t"} {
		text, err := s.MarshalText()
		if s.String() != "[hidden]" || s.GoString() != "[hidden]" || string(text) != "[hidden]" || err != nil {
			t.Errorf("%s, %#v, %s, %v", s, s, text, err)
		}
	}
	if string(Secret("s3cr3t")) != "s3cr3t" {
		t.Error("the secret is not there")
	}
}
