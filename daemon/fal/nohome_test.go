package fal

import "testing"

// §3: a user without a home folder needs none: FAL_HOME_DIR says where the config is too.
func TestLocateWithoutAHome_Section3(t *testing.T) {
	environment := map[string]string{"HOME": "here", "USERPROFILE": "here", "FAL_HOME_DIR": "/data/fal"}
	lookup := func(name string) (string, bool) { value, set := environment[name]; return value, set }
	if config, err := Locate(lookup); err != nil || config.Path != "/data/fal/config.toml" {
		t.Errorf("%q, %v", config.Path, err)
	}
	delete(environment, "FAL_HOME_DIR")
	if _, err := Locate(lookup); err == nil {
		t.Error("nothing names a home")
	}
}
