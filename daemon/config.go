package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
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
	KeyRefused error             // why the key of this environment cannot be served; Run returns it

	TakeOver bool                // ask a daemon that holds the socket's lock to end: for services
	Ready    func(socket string) // is called once, when clients are served; may be nil
	Refused  func(err error)     // is called once, where a [Mistake] keeps the daemon from starting; may be nil
}

// envFile is read by `falcred run` on every platform, so that proxies and CA
// files survive service managers (§3).
const envFile = "falcred.env"

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

func look(version string) (Config, error) {
	home, err := env.Home(os.LookupEnv)
	if err != nil {
		return Config{}, err
	}
	file, err := loadEnvFile(filepath.Join(home, envFile))
	if err != nil {
		return Config{}, err
	}
	servers, err := env.NewServers(os.Getenv)
	if err != nil {
		return Config{}, err
	}
	cfg := Config{
		Config: login.Config{
			Home:     home,
			FalsHome: isDefaultHome(home),
			Issuer:   theIssuer(os.Getenv("FALCRED_ISSUER")),
			Named:    os.Getenv("FALCRED_ISSUER") != "",
			Servers:  servers,
			OnChange: os.Getenv("FALCRED_ON_CHANGE"),
		},
		Socket:  os.Getenv("FALCRED_SOCKET"),
		Version: version,
		EnvFile: file,
	}
	asked := askedWith(os.LookupEnv, cfg.Issuer, home)
	cfg.ClientID, cfg.Audience, cfg.Scopes = asked.ClientID, asked.Audience, asked.Scopes
	cfg.Key, _ = env.FindKey(os.Getenv)
	cfg.KeyRefused = refusedKey(home, file)
	if cfg.ShareSocket, err = env.ShareSocket(os.LookupEnv); err != nil {
		return Config{}, err
	}
	if cfg.ShareSocket != "" && (cfg.ShareSocket == cfg.Socket || cfg.ShareSocket == filepath.Join(home, "falcred.sock")) {
		return Config{}, fmt.Errorf("FALCRED_SHARE_SOCKET is the same path as the daemon's own socket: %s\ngive it another one", cfg.ShareSocket)
	}
	if cfg.AllowUIDs, err = env.AllowUIDs(os.Getenv); err != nil {
		return Config{}, err
	}
	if cfg.FalConfig, err = fal.Locate(os.LookupEnv); err != nil {
		return Config{}, err
	}
	if cfg.REST, cfg.RESTNamed, err = fal.RESTHost(os.Getenv, file, cfg.Issuer == issuer.FalIssuer); err != nil {
		return Config{}, err
	}
	return cfg, issuer.CheckURL(cfg.Issuer)
}

// refusedKey says which variable holds a key that cannot be served, and where it stands. The
// value is not shown.
func refusedKey(home string, file map[string]string) error {
	name := env.OddKey(os.Getenv)
	if name == "" {
		return nil
	}
	where := "the environment"
	if value, in := file[name]; in && value == os.Getenv(name) { // else the environment's wins
		where = filepath.Join(home, envFile)
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

// loadEnvFile reads KEY=VALUE lines. What the environment says wins. The file
// decides where tokens go, so it must be ours and writable by nobody else. named is
// what stands in it, whatever the environment says.
func loadEnvFile(path string) (named map[string]string, err error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // whatever its folder is like
	}
	file, err := strict.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Size() > fsx.MaxSmall:
		return nil, fmt.Errorf("%s is larger than 64 KiB", path)
	case fsx.OthersCanWrite(info):
		return nil, fmt.Errorf("%s can be written by others\nchmod go-w %s", path, path)
	}
	data := make([]byte, info.Size())
	n, err := file.Read(data)
	if err != nil && n == 0 && info.Size() > 0 {
		return nil, err
	}
	vars, err := parseEnv(string(data[:n]))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	named = map[string]string{}
	for _, v := range vars {
		if v[0] == "FAL_CONFIG_PATH" && v[1] != "" && v[1][0] != '~' && !filepath.IsAbs(v[1]) {
			return nil, fmt.Errorf("%s sets FAL_CONFIG_PATH to a relative path, which is another file in each working folder\ngive it an absolute path", path)
		}
		if v[0] == "FAL_HOME_DIR" || v[0] == "FALCRED_SOCKET" {
			return nil, fmt.Errorf("%s cannot set %s: programs that look for the daemon do not read that file\nset it in the environment, theirs and the daemon's", path, v[0])
		}
		if _, set := os.LookupEnv(v[0]); !set {
			os.Setenv(v[0], v[1])
		}
		if _, before := named[v[0]]; !before { // of two lines the first counts, as above
			named[v[0]] = v[1]
		}
	}
	return named, nil
}

// parseEnv understands comments, blank lines, an `export ` in front and one
// pair of quotes around a value. A line that is wrong is named by its number:
// it may hold a key (R12).
func parseEnv(text string) ([][2]string, error) {
	var vars [][2]string
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || !envName(name) {
			return nil, fmt.Errorf("line %d is not KEY=VALUE", number)
		}
		value = strings.TrimSpace(value)
		if n := len(value); n >= 2 && value[0] == value[n-1] && (value[0] == '"' || value[0] == '\'') {
			value = value[1 : n-1]
		}
		if strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("line %d holds a NUL byte", number)
		}
		vars = append(vars, [2]string{name, value})
	}
	return vars, nil
}

func envName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
