package main

import (
	"errors"
	"os"
	"strings"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/protocol/env"
)

// lookAround finds the settings that the other checks go by, and says what is wrong with them. A variable
// of the environment that is refused is left out for those; where falcred.env is, or a value in it, they go
// by the environment alone. They are not usable where nobody knows the home.
func lookAround() (cfg daemon.Config, findings []doctor.Finding, usable bool) {
	findings = doctor.ExamineEnvironment(os.Environ()) // before falcred.env is in it
	home, homeErr := env.Home(os.LookupEnv)
	cfg, err := look()
	for err != nil {
		text, hint, _ := strings.Cut(err.Error(), "\n")
		wrong := doctor.Finding{Check: "settings", Result: doctor.Fail, Text: text, Hint: hint}
		if homeErr != nil || errors.As(err, new(errHangs)) {
			return cfg, append(findings, wrong), false
		}
		setting := new(daemon.SettingError)
		errors.As(err, &setting) // else it is falcred.env itself
		name := setting.Name
		_, here := os.LookupEnv(name)
		if here {
			os.Unsetenv(name)
			wrong.Text += "; the other checks go on without it"
		}
		if !here || name == "FALCRED_ISSUER" { // then the home's own issuer counts
			if cfg, err = lookWithout(); err != nil && !here {
				return cfg, append(append(findings, wrong), doctor.ExamineHome(home)...), false // it may be in it
			}
		} else {
			cfg, err = look()
		}
		if !here {
			wrong.Text += "; the other checks go by the environment alone"
		}
		findings = append(findings, wrong)
	}
	return cfg, append(findings, doctor.ExamineEnvFile(home)...), true
}
