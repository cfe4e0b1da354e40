package env

import (
	"net/netip"
	"testing"
)

// An address is what net/netip says it is, without a zone and without an IPv4 address
// in it, and is written as it is there.
func FuzzIP(f *testing.F) {
	for _, s := range []string{
		"127.0.0.1", "0.0.0.0", "255.255.255.255", "256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.04", "1..2.3", "+1.2.3.4", "0x7f.0.0.1", "1.2.3.4 ", "",
		"::", "::1", "1::", "0:0:0:0:0:0:0:1", "0:0:0:0:0:0:0:0", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8",
		"1:2:3:4::5:6:7:8", "1:0:0:2:0:0:0:3", "1:0:0:2:3:0:0:4", "2001:DB8::00a", "1:0:2:3:4:5:6:7", ":::", "::1::", "1:::2", ":1:2:3:4:5:6:7:8", "12345::", "00001::", "::g", "fe80::1%eth0",
		"::ffff:1.2.3.4", "::ffff:102:304", "64:ff9b::1.2.3.4", "::fffe:1:2", "1:2", ":", "::+1", "::0x1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := netip.ParseAddr(s)
		if got, ok := isIPv4(s), err == nil && want.Is4(); got != ok {
			t.Errorf("isIPv4(%q) = %t", s, got)
		}
		plain := err == nil && want.Is6() && want.Zone() == "" && !want.Is4In6()
		for _, c := range s {
			plain = plain && c != '.'
		}
		if got, ok := canonicalIPv6(s); ok != plain || ok && got != want.String() {
			t.Errorf("canonicalIPv6(%q) = %q, %t, not %v", s, got, ok, want)
		}
	})
}
