package daemon

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func init() {
	roles["readonly"] = playReadOnly
	roles["starved"] = playStarved
	roles["hardened"] = playHardened
}

// playReadOnly sees its home on a filesystem that cannot be written.
func playReadOnly() error {
	home := os.Getenv("FALCRED_TEST_HOME")
	for _, m := range []struct {
		source, target string
		flags          uintptr
	}{
		{"none", "/", unix.MS_REC | unix.MS_PRIVATE},
		{home, home, unix.MS_BIND},
		{home, home, unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY},
	} {
		if err := unix.Mount(m.source, m.target, "", m.flags, ""); err != nil {
			return fmt.Errorf("mount: %w", err)
		}
	}
	return playDaemon()
}

// playStarved takes every descriptor once it serves, says so, and gives them
// back when its standard input has a byte.
func playStarved() error {
	go func() {
		var one [1]byte
		os.Stdin.Read(one[:])
		var taken []*os.File
		for {
			f, err := os.Open(os.DevNull)
			if err != nil {
				break
			}
			taken = append(taken, f)
		}
		fmt.Println("starved")
		os.Stdin.Read(one[:])
		for _, f := range taken {
			f.Close()
		}
	}()
	return playDaemon()
}

func playHardened() error {
	if err := Harden(); err != nil {
		return err
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	core := unix.Rlimit{Cur: 1, Max: 1}
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		return err
	}
	fmt.Printf("dumpable %d, core %d %d", dumpable, core.Cur, core.Max)
	return nil
}
