package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// Config is what `falcred run` is told, by flags, environment and falcred.env.
type Config struct {
	Home     string
	FalsHome bool   // Home is ~/.fal, which is fal's (R13)
	Socket   string // "" picks one (§3)
	Issuer   string
	ClientID string
	Audience string
	Scopes   string
	Servers  env.Servers
	Key      env.Key // the machine's default credential (§5)

	ShareSocket string // a socket for others, which only reads (S7); "" for none
	AllowUIDs   []int  // the others

	OnChange  string    // a command that is told of each change of state (§3)
	FalConfig FalConfig // names the team
	REST      string    // fal's REST host, which knows its id; "" resolves none

	Version string

	TakeOver bool                // end a daemon that holds the socket's lock: for services (S1)
	Ready    func(socket string) // is told once, when clients are served; may be nil
}

// envFile is read by `falcred run` on every platform, so that proxies and CA
// files survive service managers (§3).
const envFile = "falcred.env"

// Load reads the configuration from the environment. It puts the lines of
// falcred.env into this process's environment first, where nothing of that
// name stands already: proxies and CA files are read from there.
func Load(version string) (Config, error) {
	cfg, err := Look(version)
	if err != nil {
		return Config{}, err
	}
	return cfg, prepareHome(cfg.Home)
}

// Look is Load for those who only look: a home that is not there, or is not as
// it should be, is left so.
func Look(version string) (Config, error) {
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
		Home:     home,
		FalsHome: isDefaultHome(home),
		Socket:   os.Getenv("FALCRED_SOCKET"),
		Issuer:   theIssuer(os.Getenv("FALCRED_ISSUER")),
		ClientID: orElse(os.Getenv("FALCRED_CLIENT_ID"), FalClientID),
		Audience: orElse(os.Getenv("FALCRED_AUDIENCE"), FalAudience),
		Scopes:   orElse(os.Getenv("FALCRED_SCOPES"), FalScopes),
		Servers:  servers,
		OnChange: os.Getenv("FALCRED_ON_CHANGE"),
		Version:  version,
	}
	cfg.Key, _ = env.FindKey(os.Getenv)
	if cfg.ShareSocket, err = env.ShareSocket(os.LookupEnv); err != nil {
		return Config{}, err
	}
	if cfg.ShareSocket != "" && (cfg.ShareSocket == cfg.Socket || cfg.ShareSocket == filepath.Join(home, "falcred.sock")) {
		return Config{}, fmt.Errorf("FALCRED_SHARE_SOCKET is the owner's own socket: %s\ngive it another path", cfg.ShareSocket)
	}
	if cfg.AllowUIDs, err = env.AllowUIDs(os.Getenv); err != nil {
		return Config{}, err
	}
	if cfg.FalConfig, err = LocateFalConfig(os.LookupEnv); err != nil {
		return Config{}, err
	}
	if cfg.REST, err = restURL(os.Getenv, file, cfg.Issuer); err != nil {
		return Config{}, err
	}
	return cfg, checkIssuer(cfg.Issuer)
}

// CheckIssuer holds R13 for a command: the home's logins are of the issuer that
// this environment names, or nothing of them is sent anywhere. The home decides,
// by what it recorded at first use; a shell can have forgotten the issuer's name.
func (c Config) CheckIssuer() error {
	m, err := loadMemory(c.Home)
	if err != nil {
		return err
	}
	return m.settleIssuer(c.Issuer, c.FalsHome)
}

// checkToken holds R13 for a token whose issuer can be read in it.
func (c Config) checkToken(access string) error {
	if issuer := issuerOf(access); issuer != "" && !sameIssuer(issuer, c.Issuer) {
		return fmt.Errorf("this home holds a login of %s, which is not shown to %s\n%s", short(strconv.Quote(issuer)), c.Issuer, mendIssuer)
	}
	return nil
}

const mendIssuer = "give each issuer a home of its own (FAL_HOME_DIR), and name it in that home's falcred.env: FALCRED_ISSUER, FALCRED_CLIENT_ID"

func orElse(value, standard string) string {
	if value != "" {
		return value
	}
	return standard
}

// theIssuer takes fal's in either spelling: its name ends with a slash, and
// people leave it off. Any other is its own name, to the letter.
func theIssuer(given string) string {
	if given == "" || given+"/" == FalIssuer {
		return FalIssuer
	}
	return given
}

// checkIssuer: plain http only for loopback (§3).
func checkIssuer(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("FALCRED_ISSUER is not an issuer URL: %q", address)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("FALCRED_ISSUER must be https, or http on loopback: %q", address)
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

// prepareHome holds F6: the home is ours, or it is refused. A `sudo falcred`
// must not leave root's files in a user's home.
func prepareHome(home string) error {
	err := strict.Folder(home)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeFolder(home); err == nil {
			err = strict.Folder(home) // in /tmp somebody else can be faster
		}
	}
	return err
}

// makeFolder makes a folder of ours where there is none.
func makeFolder(path string) error {
	if err := ourPlace(path); err != nil {
		return err
	}
	return os.MkdirAll(path, 0o700)
}

// ourPlace: nothing is made in what belongs to another user.
func ourPlace(path string) error {
	for ; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		switch {
		case err == nil && !strict.Ours(info) && othersHome(info):
			return fmt.Errorf("%s belongs to another user: run falcred as that user", path)
		case err == nil && info.IsDir(), path == filepath.Dir(path):
			return nil
		}
	}
}

// othersHome spares folders that everybody may make files in, such as /tmp.
func othersHome(info fs.FileInfo) bool { return info.Mode()&fs.ModeSticky == 0 }

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
	case info.Size() > maxTokenFile:
		return nil, fmt.Errorf("%s is not a small file", path)
	case othersCanWrite(info):
		return nil, fmt.Errorf("%s must be writable by nobody else: chmod go-w %s", path, path)
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
		if v[0] == "FAL_HOME_DIR" || v[0] == "FALCRED_SOCKET" {
			return nil, fmt.Errorf("%s cannot set %s: programs that look for the daemon do not read it\nset it in the environment of both", path, v[0])
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
