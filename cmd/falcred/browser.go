package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// hasDesktop: on a machine that one is logged in to from elsewhere, a browser
// would open for nobody, or in the terminal.
func hasDesktop() bool {
	switch runtime.GOOS {
	case "darwin", "windows":
		return os.Getenv("SSH_CONNECTION") == ""
	}
	return os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
}

// openBrowser returns when the browser ends, or never. It is given no key (R12):
// those of falcred.env are in this process's environment by now, and nothing
// after this asks for them. It writes to the null device (exec's default), and to
// no pipe of ours that would outlive falcred. Where nothing opens, the address
// stands on the screen.
func openBrowser(address string) {
	for _, name := range []string{"FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET"} {
		os.Unsetenv(name)
	}
	for _, opener := range openers(os.Getenv("BROWSER")) {
		if path, err := exec.LookPath(opener[0]); err == nil {
			exec.Command(path, append(opener[1:], address)...).Run() // #nosec G204 -- the user's own browser
			return
		}
	}
}

// openers are the commands that open an address, the best first: the user's BROWSER, a
// program with its arguments or a path with spaces in it, then the desktop's own.
func openers(browser string) (commands [][]string) {
	if browser = strings.TrimSpace(browser); browser != "" {
		commands = append(commands, []string{browser}, strings.Fields(browser))
	}
	switch runtime.GOOS {
	case "darwin":
		return append(commands, []string{"open"})
	case "windows":
		return append(commands, []string{"rundll32", "url.dll,FileProtocolHandler"})
	}
	return append(commands, []string{"xdg-open"}, []string{"x-www-browser"}, []string{"www-browser"}, []string{"wslview"})
}
