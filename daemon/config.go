package daemon

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/falcred/falcred/daemon/envfile"
	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/daemon/upgrade"
	"github.com/falcred/falcred/protocol/env"
)

// Config says what `falcred run` serves, and where: from flags, the environment and
// falcred.env.
type Config struct {
	login.Config
	Socket string // "" picks one

	ShareSocket string // a socket for others, which only reads; "" for none
	AllowUIDs   []int  // the others

	Version string

	EnvFile    map[string]string // what falcred.env names, whatever the environment says; it can hold a key
	EnvOdd     []string          // what is odd in that file and the environment, without a value; the second line of each says what to do
	KeyRefused error             // why the key of this environment cannot be served; Run returns it

	Program     upgrade.Program      // what this process runs, where it is to follow an upgrade (S9)
	Inheritance *upgrade.Inheritance // what the daemon before this one hands over; nil for none

	TakeOver bool                // ask a daemon that holds the socket's lock to end: for services
	Ready    func(socket string) // is called once, when clients are served; may be nil
	Refused  func(err error)     // is called once, where a [Mistake] keeps the daemon from starting; may be nil
}

// SettingError is what is wrong with the value of one variable, of the environment or of falcred.env.
type SettingError struct {
	Name  string
	cause error
}

func (e *SettingError) Error() string { return e.cause.Error() }

// Unwrap is the error as it was found.
func (e *SettingError) Unwrap() error { return e.cause }

// Load reads the configuration from the environment, and makes the home if there is none. It
// puts the lines of falcred.env into this process's environment first, where nothing of that
// name stands already: proxies and CA files are read from there. An error's second line, if
// any, says what to do. It is a [Mistake] where a person has to correct something.
func Load(version string) (Config, error) {
	cfg, err := Look(version)
	if err == nil {
		err = asMistake(fsx.MakeHome(cfg.Home))
	}
	if err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// Look is Load for commands that only read: a home that does not exist, or is not as it
// should be, is left so.
func Look(version string) (Config, error) {
	cfg, err := look(version)
	return cfg, asMistake(err)
}

// LookWithout is Look without falcred.env, for what goes on where that is refused. The issuer is
// the environment's, or else the one that the home has recorded, or that its access token names.
func LookWithout(version string) (Config, error) {
	home, err := env.Home(os.LookupEnv)
	if err != nil {
		return Config{}, asMistake(err)
	}
	var file envfile.File
	l, _ := journal.Load(home)
	if iss := cmp.Or(l.Issuer, tokenfile.IssuerOf(tokenfile.In(home, nil).Read().Pair.Access)); iss != "" {
		file.Values = map[string]string{"FALCRED_ISSUER": iss}
	}
	cfg, err := settings(version, home, file)
	cfg.EnvFile = nil
	return cfg, asMistake(err)
}

// CheckEnvFile is why no daemon starts with the falcred.env of a home, nil where one does, or
// where there is none: a [Mistake], unless the system fails. The values in it are not judged.
func CheckEnvFile(home string) error {
	_, err := envfile.Read(home)
	return asMistake(err)
}

func look(version string) (Config, error) {
	home, err := env.Home(os.LookupEnv)
	if err != nil {
		return Config{}, err
	}
	file, err := envfile.Read(home)
	if err != nil {
		return Config{}, err
	}
	cfg, err := settings(version, home, file)
	if err == nil {
		file.Export()
	}
	return cfg, err
}

// settings are those of the environment and falcred.env, which is not in it yet.
func settings(version, home string, file envfile.File) (Config, error) {
	lookup := file.Over(os.LookupEnv)
	getenv := func(name string) string { value, _ := lookup(name); return value }
	servers, err := env.NewServers(getenv)
	if err != nil {
		return Config{}, &SettingError{"FALCRED_SERVERS", err}
	}
	cfg := Config{
		Config: login.Config{
			Home:     home,
			FalsHome: isDefaultHome(home),
			Issuer:   theIssuer(getenv("FALCRED_ISSUER")),
			Named:    getenv("FALCRED_ISSUER") != "",
			Servers:  servers,
			OnChange: getenv("FALCRED_ON_CHANGE"),
			Notify:   getenv("FALCRED_NOTIFY") != "0",
		},
		Socket:  getenv("FALCRED_SOCKET"),
		Version: version,
		EnvFile: file.Values, EnvOdd: append(file.Odd, file.Strays(os.Environ())...),
	}
	asked := askedWith(lookup, cfg.Issuer, home)
	cfg.ClientID, cfg.Audience, cfg.Scopes = asked.ClientID, asked.Audience, asked.Scopes
	cfg.Key, _ = env.FindKey(getenv)
	cfg.KeyRefused = refusedKey(getenv, home, file)
	if cfg.ShareSocket, err = env.ShareSocket(lookup); err != nil {
		return Config{}, &SettingError{"FALCRED_SHARE_SOCKET", err}
	}
	if cfg.ShareSocket != "" && (cfg.ShareSocket == cfg.Socket || cfg.ShareSocket == filepath.Join(home, "falcred.sock")) {
		return Config{}, &SettingError{"FALCRED_SHARE_SOCKET",
			fmt.Errorf("FALCRED_SHARE_SOCKET is the same path as the daemon's own socket: %s\ngive it another one", cfg.ShareSocket)}
	}
	if cfg.AllowUIDs, err = env.AllowUIDs(getenv); err != nil {
		return Config{}, &SettingError{"FALCRED_ALLOW_UIDS", err}
	}
	if cfg.FalConfig, err = fal.Locate(lookup); err != nil {
		return Config{}, &SettingError{"FAL_CONFIG_PATH", err}
	}
	if cfg.REST, cfg.RESTNamed, err = fal.RESTHost(getenv, file.Values, cfg.Issuer == issuer.FalIssuer); err != nil {
		return Config{}, &SettingError{cfg.RESTNamed, err}
	}
	if err := issuer.CheckURL(cfg.Issuer); err != nil {
		return cfg, &SettingError{"FALCRED_ISSUER", err}
	}
	return cfg, nil
}

// refusedKey says which variable holds a key that cannot be served, and where it stands. The
// value is not shown.
func refusedKey(getenv func(string) string, home string, file envfile.File) error {
	name := env.OddKey(getenv)
	if name == "" {
		return nil
	}
	where := "the environment"
	if value, in := file.Values[name]; in && value == getenv(name) { // else the environment's wins
		where = filepath.Join(home, envfile.Name)
	}
	return fmt.Errorf("%s in %s %s", name, where, env.OddKeyText)
}

// theIssuer takes fal's in either spelling: its name ends with a slash, and
// people leave it off. Any other is its own name, to the letter.
func theIssuer(given string) string {
	if given == "" || given+"/" == issuer.FalIssuer {
		return issuer.FalIssuer
	}
	return given
}

func isDefaultHome(home string) bool {
	standard, err := env.DefaultHome(os.LookupEnv)
	if err != nil {
		return false
	}
	a, errA := os.Stat(home)
	b, errB := os.Stat(standard)
	return home == standard || errA == nil && errB == nil && os.SameFile(a, b)
}
