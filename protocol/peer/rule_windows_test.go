package peer

import "testing"

// S3, S8: who is let in, by the kernel's word and by the user of the process.
func TestWhoIsLetIn_S3_S8(t *testing.T) {
	const own, other = "S-1-5-21-0-0-0-1000", "S-1-5-21-9-9-9-1001"
	for _, c := range []struct {
		word, process string
		want          bool
	}{
		{own, own, true},
		{systemSID, systemSID, true},
		{own, systemSID, true},
		{own, "", true}, // it has ended
		{systemSID, "", true},
		{other, other, false},
		{other, own, false},
		{other, "", false},
		{own, other, false},
		{systemSID, other, false},
		{"", own, false},
		{"", "", false},
	} {
		if err := allowSIDs(own, c.word, c.process); (err == nil) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
