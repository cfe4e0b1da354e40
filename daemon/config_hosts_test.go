package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// §3: falcred.env is read from any working folder, so that a relative path in it is no path. In
// the environment it is the CLI's.
func TestRelativeFalConfig_Section3(t *testing.T) {
	for line, fine := range map[string]bool{
		"FAL_CONFIG_PATH=fal.toml": false, "FAL_CONFIG_PATH=./fal.toml": false, "FAL_CONFIG_PATH='../fal.toml'": false, "FAL_CONFIG_PATH= fal.toml": false,
		"FAL_CONFIG_PATH=" + filepath.VolumeName(os.TempDir()) + "/etc/fal.toml": true, "FAL_CONFIG_PATH=~/fal.toml": true, "FAL_CONFIG_PATH=": true,
	} {
		inHome(t, line+"\n")
		t.Setenv("FAL_CONFIG_PATH", "")
		os.Unsetenv("FAL_CONFIG_PATH")
		if _, err := Load("test"); (err == nil) != fine || err != nil && !strings.Contains(err.Error(), "absolute path") {
			t.Errorf("%s: %v", line, err)
		}
	}
	inHome(t, "")
	folder := t.TempDir()
	t.Chdir(folder)
	folder, _ = filepath.EvalSymlinks(folder)
	t.Setenv("FAL_CONFIG_PATH", "fal.toml")
	cfg, err := Load("test")
	if err != nil || cfg.FalConfig.Path != filepath.Join(folder, "fal.toml") {
		t.Errorf("%q, %v", cfg.FalConfig.Path, err)
	}
}

// §2, §4, R13: a daemon's settings have the hosts of its own environment, falcred.env included.
func TestHostsOfTheSettings_Section4R13(t *testing.T) {
	inHome(t, "FAL_GRPC_HOST=api.work.example\nFAL_RUN_HOST=run.work.example\n")
	for _, name := range []string{"FAL_GRPC_HOST", "FAL_HOST", "FAL_REST_HOST", "FAL_RUN_HOST", "FAL_QUEUE_RUN_HOST"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	t.Setenv("FAL_HOST", "api.other.example")
	cfg, err := Load("test")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.REST != "https://rest.work.example" || cfg.RESTNamed != "FAL_GRPC_HOST" {
		t.Errorf("%q, by %q", cfg.REST, cfg.RESTNamed)
	}
	for host, served := range map[string]bool{"queue.run.work.example": true, "ws.run.work.example": true, "rest.work.example": true, "rest.other.example": false, "work.example": false} {
		if cfg.Servers.Match(host) != served {
			t.Errorf("%s is served: %v", host, !served)
		}
	}
}
