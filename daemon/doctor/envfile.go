package doctor

import (
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/daemon/envfile"
)

// ExamineEnvFile says what a home's falcred.env sets, by names alone, and what is odd in it. Of
// one that cannot be read it says nothing: nobody can go by that, and whoever tries is told.
func ExamineEnvFile(home string) []Finding {
	file, err := envfile.Read(home)
	if err != nil {
		return nil
	}
	path := filepath.Join(home, envfile.Name)
	f := Finding{Check: envfile.Name, Result: OK}
	switch names := file.Names(); {
	case len(file.Values) == 0:
		f.Text = "nothing is set in " + path
	case len(names) == 0:
		f.Text = path + " sets what has no name like a variable's"
	default:
		f.Text = path + " sets " + strings.Join(names, ", ")
	}
	return append([]Finding{f}, warnings(envfile.Name, file.Odd)...)
}

// ExamineEnvironment names what an environment has for falcred and falcred does not read.
func ExamineEnvironment(environ []string) []Finding {
	return warnings("settings", envfile.File{}.Strays(environ))
}

func warnings(check string, odd []string) (findings []Finding) {
	for _, text := range odd {
		text, hint, _ := strings.Cut(strings.TrimPrefix(text, check+", "), "\n")
		findings = append(findings, Finding{check, Warn, text, hint})
	}
	return findings
}
