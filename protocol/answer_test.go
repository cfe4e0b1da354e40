package protocol

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAnswersAreOneLineAsSpecified_Section4(t *testing.T) {
	expires := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for want, v := range map[string]any{
		`{"ServerURL":"https://fal.run","Username":"Key","Secret":"a:b"}`:                                                                   Credential{ServerURL: "https://fal.run", Username: "Key", Secret: "a:b"},
		`{"ServerURL":"x","Username":"Bearer","Secret":"t","Expires":"2026-08-01T12:00:00Z","Headers":{"X-Fal-User-Id":"u"},"Team":"acme"}`: &Credential{"x", "Bearer", "t", expires, map[string]string{"X-Fal-User-Id": "u"}, new("acme")},
		`{"ServerURL":"https://fal.run/\"","Username":"Bearer","Secret":"a\"b"}`:                                                            Credential{ServerURL: `https://fal.run/"`, Username: "Bearer", Secret: `a"b`},
		`{"Error":"credentials not found in native keychain","Code":"not_found"}`:                                                           ErrNotFound,
		`{"Error":"no credentials server URL","Code":"no_server_url"}`:                                                                      ErrNoServerURL,
		`{"Error":"internal error","Code":"internal"}`:                                                                                      errors.New("a reply's body"),
		`{"Version":"v1","Protocol":1}`:                                                                                                     VersionAnswer{"v1", Version},
		`{}`:                                                                                                                                nil,
		`{"https://fal.run?a&b<>":"Key"}`:                                                                                                   map[string]string{"https://fal.run?a&b<>": "Key"}, // HTML is not escaped
		`{"Error":"a\nb","Code":"internal"}`:                                                                                                Errorf(CodeInternal, "a\nb"),
	} {
		got, err := AppendAnswer([]byte("> "), v)
		if err != nil || string(got) != "> "+want+"\n" {
			t.Errorf("AppendAnswer = %s, %v, want %s", got, err, want)
		}
	}
	if got, err := AppendAnswer([]byte("> "), map[string]string{"a": strings.Repeat("b", MaxLine)}); !errors.Is(err, ErrTooLong) || string(got) != "> " {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if (Credential{Username: "Key", Secret: "a:b"}).Authorization() != "Key a:b" {
		t.Error("Username and Secret are not the Authorization value")
	}
}

func TestParseAnswerTellsErrorsFromAnswers_Section4(t *testing.T) {
	var cred Credential
	err := ParseAnswer(`{"ServerURL":"x","Username":"Key","Secret":"s","Later":[{}]}`, &cred)
	if err != nil || cred.Secret != "s" {
		t.Fatalf("unknown members: %s, %v", cred, err)
	}
	if err := ParseAnswer(`{"Error":"credentials not found in native keychain","Code":"not_found"}`, &cred); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if err := ParseAnswer(`{"Code":"later","Error":"m","More":1}`, nil); AsError(err).Code != "later" {
		t.Fatal(err)
	}
	var list map[string]string
	if err := ParseAnswer(`{"Error":"x"}`, &list); err != nil || list["Error"] != "x" {
		t.Fatalf("only both members make an error: %v", err)
	}
	if err := ParseAnswer(`{}`, nil); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"", "x", "null", "[]", `"x"`, "1", `{"Error":1,"Code":"x"}`, `{"Secret":1}`, `{"Secret":"s"}x`} {
		if err := ParseAnswer(line, &cred); AsError(err) == nil || AsError(err).Code != CodeInternal {
			t.Errorf("ParseAnswer(%q): %v", line, err)
		}
	}
}

// What travels is all that the types have, each field under its name, and what
// encoding/json writes of those that it may write (status --json).
func TestEveryMemberTravels_Section4(t *testing.T) {
	for _, v := range []answer{&Status{}, &VersionAnswer{}, &EraseAnswer{}, &Credential{}, &Error{}} {
		for _, filled := range []bool{false, true} {
			if filled {
				fill(reflect.ValueOf(v).Elem())
			}
			out, err := AppendAnswer(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			line := strings.TrimSuffix(string(out), "\n")
			switch v.(type) {
			case *Status, *VersionAnswer, *EraseAnswer:
				if want, err := json.Marshal(v); err != nil || line != string(want) {
					t.Errorf("%s, not %s (%v)", line, want, err)
				}
			}
			if _, isError := v.(*Error); filled && !isError {
				var members map[string]any
				if err := json.Unmarshal(out, &members); err != nil {
					t.Fatal(err)
				}
				for _, field := range reflect.VisibleFields(reflect.TypeOf(v).Elem()) {
					if _, ok := members[field.Name]; !ok {
						t.Errorf("no %s in %s", field.Name, line)
					}
				}
			}
			again := reflect.New(reflect.TypeOf(v).Elem())
			if err := ParseAnswer(line, again.Interface()); !reflect.DeepEqual(again.Interface(), v) {
				var e *Error
				if !errors.As(err, &e) || !reflect.DeepEqual(e, v) {
					t.Errorf("%s is read as %#v, %v", line, again.Elem(), err)
				}
			}
		}
	}
}

// fill gives each field a value that is not its zero value.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch field := v.Field(i).Addr().Interface().(type) {
		case *bool:
			*field = true
		case *int:
			*field = i + 1
		case *string:
			*field = v.Type().Field(i).Name
		case **string:
			*field = new("")
		case *Secret:
			*field = "secret"
		case *Code:
			*field = "code"
		case *time.Time:
			*field = time.Date(2026, 11, 23, 8, i, 0, 5e8, time.UTC)
		case *[]string:
			*field = []string{"a", "b"}
		case *map[string]string:
			*field = map[string]string{"a": "b"}
		default:
			panic(v.Type().Field(i).Name + ": what is that?")
		}
	}
}

// Version 1 began with Mend for what is Hint now. Who knows only one of the names, at
// either end, is understood.
func TestHintIsAlsoMend_Section4(t *testing.T) {
	line, err := AppendAnswer(nil, Status{LastError: "e", Hint: "do this"})
	var old struct{ Mend string }
	if err != nil || json.Unmarshal(line, &old) != nil || old.Mend != "do this" || !strings.Contains(string(line), `"Hint":"do this"`) {
		t.Errorf("%s, %v", line, err)
	}
	for line, want := range map[string]string{
		`{"Mend":"a"}`: "a", `{"Hint":"a"}`: "a", `{"Hint":"a","Mend":"b"}`: "a", `{"Mend":"b","Hint":"a"}`: "a", `{}`: "",
	} {
		var s Status
		if err := ParseAnswer(line, &s); err != nil || s.Hint != want {
			t.Errorf("%s: %q, %v", line, s.Hint, err)
		}
	}
	if line, err := AppendAnswer(nil, Status{}); err != nil || strings.Contains(string(line), "Mend") || strings.Contains(string(line), "Hint") {
		t.Errorf("nothing to say: %s, %v", line, err)
	}
}

func FuzzParseAnswer(f *testing.F) {
	for _, s := range []string{`{"Error":"m","Code":"c"}`, `{"ServerURL":"x","Username":"u","Secret":"s","Expires":"2026-08-01T12:00:00Z","Headers":{"a":"b"}}`, `{}`, `null`, `{"Error":null,"Code":null}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var v Credential
		err := ParseAnswer(line, &v)
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%q: %v is no *Error", line, err)
		}
		if err != nil {
			return
		}
		out, err := AppendAnswer(nil, v)
		if err != nil {
			return // longer than a line once escaped
		}
		var again Credential
		if err := ParseAnswer(strings.TrimSuffix(string(out), "\n"), &again); err != nil || again.Secret != v.Secret || !again.Expires.Equal(v.Expires) {
			t.Fatalf("%q became %q, %v", line, out, err)
		}
		if len(v.Headers) > 0 && !reflect.DeepEqual(again.Headers, v.Headers) {
			t.Fatalf("%q lost headers", line)
		}
	})
}
