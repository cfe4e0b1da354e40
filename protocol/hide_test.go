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
		Key{Secret: secret, Source: "FAL_KEY"}, Key{Secret: secret, Source: secret},
		Request{Verb: "store", Payload: secret},
	}
	cred, query, login, key, request := values[0].(Credential), values[2].(Query), values[4].(Login), values[5].(Key), values[7].(Request)
	values = append(values, &cred, &query, &login, &key, &request, []Credential{cred}, map[string]Key{"a": key}, struct{ L Login }{login}, []any{&request})
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
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
	if got := fmt.Sprint(values[3]); !strings.Contains(got, "https://fal.run") {
		t.Errorf("the server is no secret: %s", got)
	}
}
