package env

import (
	"strconv"
	"strings"
)

// IP addresses are text here, in the one form that is compared with: net/netip would be
// a twentieth of the exec'ed helper. FuzzIP compares the two.

// isIPv4 takes four decimal numbers without leading zeros: "127.1", "0x7f.0.0.1" and
// "010.0.0.1" are addresses to some resolvers, and other ones to others.
func isIPv4(s string) bool {
	parts := strings.Split(s, ".")
	for _, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || strconv.FormatUint(n, 10) != part {
			return false
		}
	}
	return len(parts) == 4
}

// canonicalIPv6 takes any form of RFC 4291 §2.2 but those that hold an IPv4 address, and
// no zone.
func canonicalIPv6(s string) (string, bool) {
	head, tail, shortened := strings.Cut(s, "::")
	first, ok1 := ipv6Groups(head)
	last, ok2 := ipv6Groups(tail)
	if n := len(first) + len(last); !ok1 || !ok2 || n > 8 || shortened != (n < 8) {
		return "", false
	}
	var groups [8]uint16
	copy(groups[:], first)
	copy(groups[8-len(last):], last)
	if [6]uint16(groups[:6]) == [6]uint16{5: 0xffff} {
		return "", false // an IPv4 address, whatever way it is written
	}
	return formatIPv6(groups), true
}

func ipv6Groups(s string) (groups []uint16, ok bool) {
	if s == "" {
		return nil, true
	}
	for digits := range strings.SplitSeq(s, ":") {
		n, err := strconv.ParseUint(digits, 16, 16)
		if err != nil || len(digits) > 4 {
			return nil, false
		}
		groups = append(groups, uint16(n))
	}
	return groups, true
}

// formatIPv6 is RFC 5952: of the runs of two zeros and more the longest, or the first
// of those, is left out.
func formatIPv6(groups [8]uint16) string {
	from, length := 8, 1
	for i := range groups {
		end := i
		for end < len(groups) && groups[end] == 0 {
			end++
		}
		if end-i > length {
			from, length = i, end-i
		}
	}
	if from == 8 {
		return hexGroups(groups[:])
	}
	return hexGroups(groups[:from]) + "::" + hexGroups(groups[from+length:])
}

func hexGroups(groups []uint16) string {
	var texts []string
	for _, group := range groups {
		texts = append(texts, strconv.FormatUint(uint64(group), 16))
	}
	return strings.Join(texts, ":")
}
