package ijson

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var objects = []string{
	`{}`, ` { } `, "{\r\n\t\"a\" : 1 ,\n\"b\":[ ] }", `{"a":{"b":[1,{"c":null}]},"d":true,"e":false}`,
	`{"":""}`, `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é😀"}`, `{"\u0061":"\u0000"}`, "{\"a\":\"\x7f\u2028\"}",
	`{"a":0}`, `{"a":-0}`, `{"a":10}`, `{"a":-1.50}`, `{"a":1e9}`, `{"a":1E+9}`, `{"a":1.2e-3}`, `{"a":12345678901234567890123}`,
	`{"a":"2026-11-23T08:00:00Z"}`, `{"a":"2026-11-23T08:00:00.5+01:00"}`, `{"a":["x","y"]}`, `{"a":{"x":"y","z":""}}`, `{"A":1,"a":2}`,
	`{"a":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`, `{"a":[` + strings.Repeat("[],", 100) + `{}]}`,
}

var malformed = []string{
	``, ` `, `a`, `null`, `[]`, `"a"`, `1`, `{`, `}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{a:1}`, `{'a':1}`, `{1:1}`, `{"a":1 "b":2}`,
	`{}{}`, `{} x`, `{}]`, "\ufeff{}", `{"a":tru}`, `{"a":True}`, `{"a":truefalse}`, `{"a":nul}`, `{"a":undefined}`, `{"a":NaN}`, `{"a":/**/1}`,
	`{"a":01}`, `{"a":00}`, `{"a":-}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":1e}`, `{"a":1e+}`, `{"a":0x1}`, `{"a":1_000}`, `{"a":--1}`, `{"a":1 2}`,
	`{"a":"}`, `{"a":"\"}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12g4"}`, `{"a":"\u+123"}`, `{"a":"\U0041"}`, "{\"a\":\"\n\"}", "{\"a\":\"\nn\"}", "{\"a\":\"\x00\"}", "{\"a\n\":1}", "{\"a\":\v1}",
	`{"a":[}`, `{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`, `{"a":[1}`, `{"a":{]}`, `{"a":]}`,
	// JSON, but not I-JSON: other readers put something else in the place of these.
	"{\"a\":\"\xff\"}", "{\"\xc0\x80\":1}", "{\"a\":\"\xed\xa0\x80\"}", `{"a":"\ud800"}`, `{"a":"\udc00\ud800"}`, `{"a":"\ud800a"}`, `{"a":"\ud800\u0041"}`, `{"\ude00":1}`,
	`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, strings.Repeat(`{"a":`, 60_000), `{"a":` + strings.Repeat("[", 60_000),
}

func TestRead(t *testing.T) {
	for _, text := range objects {
		if _, err := Read(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range malformed {
		if _, err := Read(text); err != ErrSyntax {
			t.Errorf("%.80q: %v", text, err)
		}
	}
	for _, text := range []string{`{"a":1,"a":1}`, `{"a":1,"b":2,"\u0061":3}`, `{"":1,"":null}`} {
		if _, err := Read(text); err != ErrTwice {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Another machine's number can be larger than an int of this one: it is the largest
// then, and whoever asked for less says so.
func TestNumbersOfOtherMachines(t *testing.T) {
	for text, want := range map[string]int64{"3000000000": 3_000_000_000, "-3000000000": -3_000_000_000, "7": 7} {
		var n int
		o, err := Read(`{"n":` + text + `}`)
		if err == nil {
			err = o.Into(Member{Name: "n", Value: &n})
		}
		if want = max(math.MinInt, min(want, math.MaxInt)); err != nil || int64(n) != want {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
}

func TestIntoWantsTheType(t *testing.T) {
	for _, value := range []string{`1`, `true`, `[]`, `{}`, `["a",1]`, `["a",null]`, `{"a":1}`, `{"a":null}`, `{"a":"b","a":"c"}`, `"a"`, `""`, `"2026-11-23"`, `1.0`, `1e2`, `99999999999999999999`, `null`} {
		var text string
		var flag bool
		var number int
		var when time.Time
		var list []string
		var object map[string]string
		read, err := Read(`{"a":` + value + `}`)
		if err != nil {
			t.Fatal(value, err)
		}
		for place, fits := range map[any][]string{
			&text: {`"a"`, `""`, `"2026-11-23"`}, &flag: {`true`}, &number: {`1`}, &when: nil,
			&list: {`[]`}, &object: {`{}`},
		} {
			err := read.Into(Member{Name: "a", Value: place})
			if want := slices.Contains(fits, value) || value == "null"; (err == nil) != want || err != nil && err != ErrType {
				t.Errorf("%s into %T: %v", value, place, err)
			}
		}
	}
	var text string
	if err := (Object{"b": `1`}).Into(Member{Name: "a", Value: &text}, Member{Name: "B", Value: &text}); err != nil {
		t.Error("a member that is not asked for: ", err)
	}
	if _, err := (Object{"a": `"b"`, "c": `1`}).Strings(); err != ErrType {
		t.Error(err)
	}
}

// What is read here is what encoding/json reads, and what is refused is refused there
// as well, or is no I-JSON.
func FuzzRead(f *testing.F) {
	for _, text := range slices.Concat(objects, malformed) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal([]byte(text), &want)
		got, err := Read(text)
		if err != nil {
			if wantErr == nil && want != nil && !differs(t, text, err) {
				t.Fatalf("%q is refused: %v", text, err)
			}
			return
		}
		if wantErr != nil || !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
			t.Fatalf("%q is read as %q, not as %q (%v)", text, got, want, wantErr)
		}
		for name, value := range got {
			if value != string(want[name]) {
				t.Fatalf("%q: %q, not %q", text, value, want[name])
			}
			compare[string](t, value)
			compare[bool](t, value)
			compare[int](t, value)
			compare[time.Time](t, value)
			compare[[]string](t, value)
			compare[map[string]string](t, value)
		}
	})
}

// differs says whether the text may be read by encoding/json only.
func differs(t *testing.T, text string, err error) bool {
	decoder := json.NewDecoder(strings.NewReader(text))
	depth, deepest, names, seen, twice := 0, 0, true, map[any]bool{}, false
	for {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		switch delim, _ := token.(json.Delim); {
		case delim == '{' || delim == '[':
			depth++
			deepest = max(deepest, depth)
			continue
		case delim != 0:
			depth--
		case depth == 1 && names:
			twice = twice || seen[token]
			seen[token], names = true, false
			continue
		}
		if depth == 1 {
			names = true // that was a value
		}
	}
	if err == ErrTwice {
		return twice
	}
	surrogate := strings.Contains(strings.ToLower(text), `\ud`)
	return deepest > maxDepth || !utf8.ValidString(text) || surrogate
}

// compare reads one value both ways.
func compare[T any](t *testing.T, value string) {
	var got, want T
	wantErr := json.Unmarshal([]byte(value), &want)
	if !set(&got, value) {
		switch any(got).(type) {
		case string, bool, int:
			if wantErr == nil && value != "null" {
				t.Fatalf("%q is no %T here", value, got)
			}
		}
		return
	}
	if _, isTime := any(got).(time.Time); isTime && strings.Contains(value, `\`) {
		return // package time does not know escapes
	}
	if wantErr != nil || !same(got, want) {
		t.Fatalf("%q is %#v, not %#v (%v)", value, got, want, wantErr)
	}
}

func same(a, b any) bool {
	if at, ok := a.(time.Time); ok {
		return at.Equal(b.(time.Time))
	}
	if al, ok := a.([]string); ok {
		return slices.Equal(al, b.([]string))
	}
	return reflect.DeepEqual(a, b)
}

// What is written here is one line, which encoding/json and Read read back.
func FuzzAppend(f *testing.F) {
	f.Add("https://fal.run", "<token>", true, 1, int64(1_700_000_000))
	f.Add("", "\"\\/\b\f\n\r\t\x00\x1f\x7f", false, 0, int64(0))
	f.Add("é\u2028😀<>&", "\xff\xc0\x80\xed\xa0\x80", true, -1, int64(-1))
	f.Add("a", "b", true, 5, int64(1<<40)) // the year 36812
	f.Fuzz(func(t *testing.T, a, b string, flag bool, number int, seconds int64) {
		type all struct {
			A    string
			N    int
			F    bool
			T    time.Time
			L    []string
			O    map[string]string
			E, G string `json:",omitempty"`
		}
		in := all{a, number, flag, time.Unix(seconds, 0).UTC(), []string{a, b}, map[string]string{a: b}, "", b}
		members := func(v *all) []Member {
			return []Member{
				{Name: "A", Value: &v.A}, {Name: "N", Value: &v.N}, {Name: "F", Value: &v.F}, {Name: "T", Value: &v.T}, {Name: "L", Value: &v.L},
				{Name: "O", Value: &v.O}, {Name: "E", Value: &v.E, OmitEmpty: true}, {Name: "G", Value: &v.G, OmitEmpty: true},
			}
		}
		line, err := Append([]byte("before"), members(&in)...)
		wanted, wantErr := json.Marshal(in)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%v, not %v", err, wantErr)
		}
		if err != nil {
			return
		}
		text, ok := strings.CutPrefix(string(line), "before")
		if !ok || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
			t.Fatalf("%q is no line", line)
		}
		var want, got, again all
		if err := errors.Join(json.Unmarshal(wanted, &want), json.Unmarshal([]byte(text), &got)); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q says %v, not %v (%v)", text, got, want, err)
		}
		read, err := Read(text)
		if err == nil {
			err = read.Into(members(&again)...)
		}
		if err != nil || !again.T.Equal(want.T) {
			t.Fatalf("%q is read as %v: %v", text, again, err)
		}
		if again.T = want.T; !reflect.DeepEqual(again, want) {
			t.Fatalf("%q is read as %v, not %v", text, again, want)
		}
	})
}

func TestAppend(t *testing.T) {
	var none struct {
		text   string
		flag   bool
		number int
		when   time.Time
		list   []string
		object map[string]string
	}
	members := []Member{
		{Name: "text", Value: &none.text}, {Name: "flag", Value: &none.flag}, {Name: "number", Value: &none.number},
		{Name: "when", Value: &none.when}, {Name: "list", Value: &none.list}, {Name: "object", Value: &none.object},
	}
	want := `{"text":"","flag":false,"number":0,"when":"0001-01-01T00:00:00Z","list":[],"object":{}}`
	if line, err := Append(nil, members...); err != nil || string(line) != want {
		t.Errorf("%s, %v", line, err)
	}
	for i := range members {
		members[i].OmitEmpty = true
	}
	if line, err := Append(nil, members...); err != nil || string(line) != `{}` {
		t.Errorf("%s, %v", line, err)
	}
	inner := []Member{{Name: "b", Value: &[]string{"<c>"}}, {Name: "d", Value: &map[string]string{"f": "g", "e": "\x01\u2028\x7f\u009b\u202e\U000e0001\u00e9\u3000"}}}
	want = `{"a":{"b":["<c>"],"d":{"e":"\u0001\u2028\u007f\u009b\u202e\udb40\udc01` + "\u00e9\u3000" + `","f":"g"}}}`
	if line, err := Append(nil, Member{Name: "a", Value: inner}); err != nil || string(line) != want {
		t.Errorf("%s, %v", line, err)
	}
	for _, value := range []any{nil, "a", 1.5, &struct{}{}, &[]any{1}} {
		if line, err := Append(nil, Member{Name: "a", Value: value}); err == nil || line != nil {
			t.Errorf("%T became %s", value, line)
		}
	}
}
