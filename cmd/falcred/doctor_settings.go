package main

import (
	"errors"
	"os"
	"strings"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/protocol/env"
)

// lookAround finds the settings that the other checks go by, and says what is wrong with them.
// Where that is falcred.env, or a value in it, they are the environment's alone. They are not
// usable where it is the environment.
func lookAround() (cfg daemon.Config, findings []doctor.Finding, usable bool) {
	findings = doctor.ExamineEnvironment(os.Environ()) // before falcred.env is in it
	cfg, err := look()
	if err == nil {
		return cfg, append(findings, doctor.ExamineEnvFile(cfg.Home)...), true
	}
	text, hint, _ := strings.Cut(err.Error(), "\n")
	wrong := doctor.Finding{Check: "settings", Result: doctor.Fail, Text: text, Hint: hint}
	if errors.As(err, new(errHangs)) {
		return cfg, append(findings, wrong), false
	}
	home, homeErr := env.Home(os.LookupEnv)
	if homeErr != nil {
		return cfg, append(findings, wrong), false
	}
	if cfg, err = lookWithout(); err != nil {
		return cfg, append(append(findings, wrong), doctor.ExamineHome(home)...), false // it may be in it
	}
	wrong.Text += "; the other checks go by the environment alone"
	return cfg, append(append(findings, wrong), doctor.ExamineEnvFile(home)...), true
}
