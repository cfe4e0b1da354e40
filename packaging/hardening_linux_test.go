//go:build system

package packaging_test

import (
	"context"
	"os"
	"path/filepath"
)

// leftOut are lines that `systemd-analyze security` would count for the user's
// unit, and that give a process of a user nothing: a user's manager has neither
// the capabilities nor, on many systems, the user namespaces for them. Newer
// versions of systemd make a user namespace for the second kind where they can;
// in it every other uid is the overflow uid, root's too, so that falcred could no
// longer tell who asks (S3, S7).
var leftOut = []string{
	"ProtectSystem=full", "ProtectHome=read-only", "PrivateTmp=yes", "PrivateMounts=yes", "ProtectControlGroups=yes",
	"ProtectKernelLogs=yes", "ProtectKernelModules=yes", "ProtectKernelTunables=yes", "ProtectProc=invisible", "ProcSubset=pid",
	"PrivateUsers=yes", "PrivateDevices=yes", "CapabilityBoundingSet=", "DevicePolicy=closed", "IPAddressDeny=any",
}

// withoutNamespaces: the user's unit works where users may make no user
// namespace, and what it leaves out would fail there or do nothing.
func (m *installed) withoutNamespaces() {
	folder := filepath.Join(m.root, "etc/systemd/system/user@.service.d")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		m.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "deny.conf"), []byte("[Service]\nRestrictNamespaces=~user\n"), 0o644); err != nil {
		m.Fatal(err)
	}
	m.sh("root", "systemctl daemon-reload")
	m.addUser("eve")
	m.linger("eve")
	m.is("eve", "systemd-run --user --wait --pipe --quiet sh -c 'unshare --user true 2>/dev/null || echo denied'", "denied")
	m.answered("eve")
	m.alive("eve")

	// What a process can see of its sandbox: its namespaces, its capabilities,
	// whether it may write where a user may, and reach the loopback's issuer.
	const look = `readlink /proc/self/ns/*; grep ^Cap /proc/self/status; ls /tmp | grep -v systemd-private; ls /dev; ls -d /proc/[0-9] /proc/sys
test -w ~ && echo home; echo >/tmp/x && rm /tmp/x && echo tmp
perl -MIO::Socket::INET -e 'print IO::Socket::INET->new("127.0.0.1:443") ? "net" : "no net"'`
	m.sh("eve", "cat >look <<'end'\n"+look+"\nend")
	run := func(line string) (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		text, err := m.command(ctx, "eve", "systemd-run --user --wait --pipe --quiet -p NoNewPrivileges=yes "+line+" sh $HOME/look 2>&1").CombinedOutput()
		return string(text), err
	}
	plain, err := run("")
	if err != nil {
		m.Fatalf("a plain unit fails: %v\n%s", err, plain)
	}
	for _, line := range leftOut {
		switch text, err := run("-p " + line); {
		case err != nil:
			m.Logf("%-28s does not start", line)
		case text == plain:
			m.Logf("%-28s starts and changes nothing", line)
		default:
			m.Errorf("%s does something, and the unit could have it:\n%s\nwithout it:\n%s", line, text, plain)
		}
	}
}
