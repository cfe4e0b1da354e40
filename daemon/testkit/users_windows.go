package testkit

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Stranger is the SID of a user of this machine who is not us.
const Stranger = "S-1-5-21-9-9-9-1001"

// As has a command run by the user of that SID, which takes a right that wine gives everybody
// and Windows nearly nobody.
func As(t testing.TB, sid string, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	token, err := tokenOf(sid)
	if err != nil {
		t.Skip("on Windows: making a token of another user: ", err)
	}
	t.Cleanup(func() { token.Close() })
	cmd.SysProcAttr = &syscall.SysProcAttr{Token: syscall.Token(token)}
	return cmd
}

var ntCreateToken = windows.NewLazySystemDLL("ntdll.dll").NewProc("NtCreateToken")

// tokenOf makes a token as LogonUser does.
func tokenOf(sid string) (token windows.Token, err error) {
	const everyone, users, enabled = "S-1-1-0", "S-1-5-32-545", 7
	var known [3]*windows.SID
	for i, text := range []string{sid, everyone, users} {
		if known[i], err = windows.StringToSid(text); err != nil {
			return 0, err
		}
	}
	acl, err := windows.ACLFromEntries([]windows.EXPLICIT_ACCESS{{AccessPermissions: windows.GENERIC_ALL, AccessMode: windows.GRANT_ACCESS,
		Trustee: windows.TRUSTEE{TrusteeForm: windows.TRUSTEE_IS_SID, TrusteeValue: windows.TrusteeValueFromSID(known[0])}}}, nil)
	if err != nil {
		return 0, err
	}
	var (
		id, source = [16]byte{0x77}, [16]byte{'f', 'a', 'l', 'c', 'r', 'e', 'd'}
		never      = int64(1<<63 - 1)
		user       = windows.Tokenuser{User: windows.SIDAndAttributes{Sid: known[0]}}
		groups     = struct {
			n   uint32
			all [2]windows.SIDAndAttributes
		}{2, [2]windows.SIDAndAttributes{{Sid: known[1], Attributes: enabled}, {Sid: known[2], Attributes: enabled}}}
		privileges struct {
			n   uint32
			one windows.LUIDAndAttributes
		}
		owner, group = struct{ sid *windows.SID }{known[0]}, struct{ sid *windows.SID }{known[2]}
		dacl         = struct{ acl *windows.ACL }{acl}
		qos          = windows.SECURITY_QUALITY_OF_SERVICE{Length: 12, ImpersonationLevel: windows.SecurityImpersonation}
		attributes   = windows.OBJECT_ATTRIBUTES{SecurityQoS: &qos}
	)
	attributes.Length = uint32(unsafe.Sizeof(attributes))
	const primary = 1
	status, _, _ := ntCreateToken.Call(uintptr(unsafe.Pointer(&token)), windows.TOKEN_ALL_ACCESS, uintptr(unsafe.Pointer(&attributes)), primary, // #nosec G103 -- the system's call
		uintptr(unsafe.Pointer(&id)), uintptr(unsafe.Pointer(&never)), uintptr(unsafe.Pointer(&user)), uintptr(unsafe.Pointer(&groups)), // #nosec G103
		uintptr(unsafe.Pointer(&privileges)), uintptr(unsafe.Pointer(&owner)), uintptr(unsafe.Pointer(&group)), uintptr(unsafe.Pointer(&dacl)), // #nosec G103
		uintptr(unsafe.Pointer(&source))) // #nosec G103
	if status != 0 {
		return 0, windows.NTStatus(status)
	}
	return token, nil
}

// TheirFolder belongs to another user: to the system's installer.
func TheirFolder(t testing.TB) string {
	t.Helper()
	InWine(t, "all belongs to us")
	return os.Getenv("SystemRoot")
}
