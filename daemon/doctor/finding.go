package doctor

import (
	"bytes"
	"encoding/json"

	"github.com/falcred/falcred/daemon/login"
)

// Result is how bad a finding is.
type Result string

// The results, from good to bad.
const (
	OK   Result = "ok"
	Warn Result = "warn" // works, with a catch
	Fail Result = "fail" // does not work
)

// Finding is what one check has found.
type Finding struct {
	Check  string
	Result Result
	Text   string
	Hint   string `json:",omitempty"` // what to do about it
}

// MarshalJSON adds a member Mend, which is what Hint was called in earlier versions. HTML is
// not escaped, unless the encoder around it does so.
func (f Finding) MarshalJSON() ([]byte, error) {
	type members Finding
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		members
		Mend string `json:",omitempty"`
	}{members(f), f.Hint})
	return out.Bytes(), err
}

// Config says what to check.
type Config struct {
	login.Config
	Socket      string // "" where nothing names one
	ShareSocket string // the same
}
