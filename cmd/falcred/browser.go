package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// open has a browser open an address, unless none is wanted, and reports whether it is being opened.
func (l *loginRun) open(address string) bool {
	return !l.noBrowser && openBrowser(l.environ, address)
}

// openBrowser opens an address where somebody sits before a desktop, and reports whether it is
// being opened: the browser may end at once, or never. It is given the shell's own environment,
// without what falcred.env has added to ours (a proxy's password), and without the keys (R12).
// It writes to the null device (exec's default), and to no pipe of ours that would outlive
// falcred. Where nothing opens, the address stands on the screen.
func openBrowser(environ []string, address string) bool {
	command := opener(lookupIn(environ))
	if command == nil {
		return false
	}
	placed := false
	for i, word := range command[1:] {
		if strings.Contains(word, "%s") { // as Python's webbrowser and Debian's have it
			command[i+1], placed = strings.ReplaceAll(word, "%s", address), true
		}
	}
	if !placed {
		command = append(command, address)
	}
	cmd := exec.Command(command[0], command[1:]...) // #nosec G204 -- the user's own browser
	cmd.Env = slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains([]string{"FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET"}, strings.ToUpper(name))
	})
	if cmd.Start() != nil {
		return false
	}
	go cmd.Wait()
	return true
}

// opener is the command that opens an address, nil where there is none. The user's own BROWSER
// goes before all else: editors and containers set it to what opens a page on the machine that
// their user sits at. It is a list, as Python's webbrowser and Debian have it: the first that is
// there counts. Else it is the desktop's, unless nobody sits before that.
func opener(getenv func(string) string) []string {
	for _, own := range filepath.SplitList(getenv("BROWSER")) {
		words := strings.Fields(own)
		if len(words) == 0 {
			continue
		}
		for _, command := range [][]string{{strings.TrimSpace(own)}, words} { // a path may have spaces
			if path, err := exec.LookPath(command[0]); err == nil {
				return append([]string{path}, command[1:]...)
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/version")
	if headless(runtime.GOOS, string(kernel), getenv) {
		return nil
	}
	for _, command := range desktopOpeners() {
		if path, err := exec.LookPath(command[0]); err == nil {
			return append([]string{path}, command[1:]...)
		}
	}
	return nil
}

// headless is where a browser would open for nobody, by the fal CLI's rule: in a session from
// another machine, whatever display that forwards (ssh -X would send a whole browser through the
// network), in Windows' Linux, and on a system of X or Wayland without a display.
func headless(system, kernel string, getenv func(string) string) bool {
	for _, name := range []string{"SSH_CLIENT", "SSH_TTY", "SSH_CONNECTION"} {
		if getenv(name) != "" {
			return true
		}
	}
	if system == "darwin" || system == "windows" {
		return false
	}
	return strings.Contains(strings.ToLower(kernel), "microsoft") || getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == ""
}

// desktopOpeners are the commands that open an address on a desktop, the best first.
func desktopOpeners() [][]string {
	switch runtime.GOOS {
	case "darwin":
		return [][]string{{"open"}}
	case "windows":
		return [][]string{{"rundll32", "url.dll,FileProtocolHandler"}}
	}
	return [][]string{{"xdg-open"}, {"x-www-browser"}, {"www-browser"}}
}
