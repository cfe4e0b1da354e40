package protocol

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParseQueryTakesAServerOrAnObject_Section4(t *testing.T) {
	for payload, want := range map[string]Query{
		"https://fal.run":                    {ServerURL: "https://fal.run"},
		"  fal.run ":                         {ServerURL: "fal.run"},
		`{"ServerURL":"x"}`:                  {ServerURL: "x"},
		`{"ServerURL":" x "}`:                {ServerURL: "x"},
		"\n{\r\n\t\"ServerURL\": \"x\"\n}\n": {ServerURL: "x"}, // as a file has it
		`{"ServerURL":"x","ForceUser":true,"MinValid":60,"Rejected":"t","Local":true,"Later":{"a":[1]}}`: {ServerURL: "x", ForceUser: true, MinValid: 60, Rejected: "t", Local: true},
		`{"serverurl":"y","ServerURL":"x"}`:     {ServerURL: "x"}, // names match exactly
		`{"ServerURL":"x","MinValid":31622400}`: {ServerURL: "x", MinValid: MaxMinValid},
	} {
		if got, err := ParseQuery(payload); err != nil || got != want {
			t.Errorf("ParseQuery(%s) = %s, %v", payload, got, err)
		}
	}
}

func TestParseQueryRefuses_Section4(t *testing.T) {
	for payload, want := range map[string]Code{
		"": CodeNoServerURL, "  ": CodeNoServerURL, "{}": CodeNoServerURL, `{"ServerURL":" "}`: CodeNoServerURL, `{"ServerURL":null}`: CodeNoServerURL,
		"{": CodeBadRequest, `{"ServerURL":"x"} `: "", `{"ServerURL":"x"}x`: CodeBadRequest, `{"ServerURL":"x"}{}`: CodeBadRequest,
		`{"ServerURL":"x","ServerURL":"y"}`: CodeBadRequest, `{"a":1,"a":1,"ServerURL":"x"}`: CodeBadRequest,
		`{"ServerURL":1}`: CodeBadRequest, `{"ServerURL":"x","ForceUser":"1"}`: CodeBadRequest,
		`{"ServerURL":"x","MinValid":-1}`: CodeBadRequest, `{"ServerURL":"x","MinValid":31622401}`: CodeBadRequest,
		`{"ServerURL":"x","MinValid":1e99}`: CodeBadRequest, `{"ServerURL":"x","MinValid":1.5}`: CodeBadRequest,
		`{"ServerURL":"x","MinValid":99999999999999999999}`: CodeBadRequest,
		`{"ServerURL":"x\nget y"}`:                          CodeBadRequest, // control bytes behind an escape count too
		`{"ServerURL":"x","Rejected":"a\u0000"}`:            CodeBadRequest,
		"x\ny":                                              CodeBadRequest, "x\xff": CodeBadRequest,
	} {
		_, err := ParseQuery(payload)
		if got := AsError(err); (got == nil) != (want == "") || got != nil && got.Code != want {
			t.Errorf("ParseQuery(%q): %v, want %q", payload, err, want)
		}
	}
	if _, err := ParseQuery(""); !errors.Is(err, ErrNoServerURL) {
		t.Error("docker's message is missing")
	}
}

func TestErrorsDoNotQuoteThePayload_R12(t *testing.T) {
	const secret = "s3cr3t"
	for _, payload := range []string{
		`{"ServerURL":"x","Rejected":"` + secret + `"`, `{"ServerURL":"x","MinValid":"` + secret + `"}`, `{"` + secret + `":1,"` + secret + `":2}`,
		`{"ServerURL":"x","Rejected":"` + secret + `\n"}`, `{` + secret, `{"ServerURL":"` + secret + `\t"}`,
	} {
		_, err := ParseQuery(payload)
		_, err2 := ParseLogin(payload)
		if err == nil || err2 == nil || strings.Contains(err.Error()+err2.Error(), secret) {
			t.Errorf("%s: %v; %v", payload, err, err2)
		}
	}
	if got := AsError(fmt.Errorf("invalid character: %s", secret)); got.Code != CodeInternal || strings.Contains(got.Message, secret) {
		t.Errorf("a library's error came through: %v", got)
	}
	if AsError(nil) != nil {
		t.Error("no error is one")
	}
	if AsError(fmt.Errorf("get: %w", ErrNotFound)) != ErrNotFound {
		t.Error("a wrapped error is not found")
	}
}

func TestQueryPayloadIsBareWhenItCanBe_Section4(t *testing.T) {
	for want, q := range map[string]Query{
		"https://fal.run": {ServerURL: " https://fal.run "},
		`{"ServerURL":"https://fal.run/?a&b","ForceUser":true}`:        {ServerURL: "https://fal.run/?a&b", ForceUser: true},
		`{"ServerURL":"x","MinValid":5,"Rejected":"<t>","Local":true}`: {ServerURL: "x", MinValid: 5, Rejected: "<t>", Local: true},
		`{"ServerURL":"{x"}`: {ServerURL: "{x"},
	} {
		if got, err := q.Payload(); err != nil || got != want {
			t.Errorf("Payload() = %s, %v, want %s", got, err, want)
		}
	}
	for _, q := range []Query{{}, {ServerURL: "x\ny"}, {ServerURL: "x", Rejected: "a\rb"}, {ServerURL: "x", MinValid: -1}, {ServerURL: "x", MinValid: MaxMinValid + 1}, {ServerURL: "\xff"}} {
		if got, err := q.Payload(); err == nil {
			t.Errorf("Payload() = %q", got)
		}
	}
}

func TestParseLoginAsksForWhatDockerAsks_Section4(t *testing.T) {
	got, err := ParseLogin(`{"ServerURL":"https://fal.run","Username":"<token>","Secret":"r"}`)
	if err != nil || got != (Login{"https://fal.run", TokenUsername, "r"}) {
		t.Fatalf("%s, %v", got, err)
	}
	for payload, want := range map[string]*Error{
		`{"Username":"u","Secret":"s"}`:  ErrNoServerURL,
		`{"ServerURL":"x","Secret":"s"}`: Errorf(CodeBadRequest, "no credentials username"),
		`x`:                              Errorf(CodeBadRequest, "malformed JSON object"),
		`["ServerURL"]`:                  Errorf(CodeBadRequest, "malformed JSON object"),
		`{"ServerURL":"x","Username":"u","Secret":"a","Secret":"b"}`: Errorf(CodeBadRequest, "a member appears twice"),
		`{"ServerURL":"x","Username":"u","Secret":"a\nb"}`:           Errorf(CodeBadRequest, "control byte in the login"),
	} {
		if _, err := ParseLogin(payload); !errors.Is(err, want) {
			t.Errorf("ParseLogin(%s): %v, want %v", payload, err, want)
		}
	}
	payload, err := got.Payload()
	if again, err2 := ParseLogin(payload); err != nil || err2 != nil || again != got {
		t.Errorf("%v, %v: does not read back", err, err2)
	}
	if _, err := (Login{ServerURL: "x", Username: "u", Secret: "a\nb"}).Payload(); err == nil {
		t.Error("a line break gets out")
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"https://fal.run", `{"ServerURL":"x","MinValid":3}`, `{"ServerURL":"x","ServerURL":"y"}`, `{"ServerURL":"\u000a"}`, "{", "", `{"ServerURL":"{"}`, `{"ServerURL":"\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		q, err := ParseQuery(payload)
		if err != nil {
			return
		}
		out, err := q.Payload()
		if err != nil {
			t.Fatalf("%q reads, and does not write: %v", payload, err)
		}
		line, err := Request{Verb: VerbGet, Payload: out}.Append(nil)
		if errors.Is(err, ErrTooLong) {
			return
		}
		if err != nil {
			t.Fatalf("%q cannot be sent: %v", out, err)
		}
		r, err := ParseRequest(string(line[:len(line)-1]))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseQuery(r.Payload); err != nil || again != q {
			t.Fatalf("%q became %q, %v", payload, r.Payload, err)
		}
	})
}
