//go:build linux && system

package attacks

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// secrets is everything that must not be found where it does not belong. What
// is looked for is a piece of each: a cut or quoted one is a leak too.
type secrets struct {
	mu     sync.Mutex
	pieces map[string]string // piece, and what it is of
}

const pieceLength = 24

func (s *secrets) add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pieces == nil {
		s.pieces = map[string]string{}
	}
	for _, value := range values {
		kind := "a token"
		if strings.Count(value, ".") == 2 {
			// The head of a JWT is in every one; its signature is its own.
			kind, value = "a JWT", value[strings.LastIndexByte(value, '.')+1:]
		}
		if len(value) < pieceLength {
			continue // not issued
		}
		s.pieces[value[:pieceLength]] = kind
	}
}

func (s *secrets) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pieces)
}

// in names a secret that stands in the text, "" if none does.
func (s *secrets) in(text []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for piece, kind := range s.pieces {
		if bytes.Contains(text, []byte(piece)) {
			return fmt.Sprintf("%s (%s…)", kind, piece[:8])
		}
	}
	return ""
}

// refreshTokenIn is in, but for access tokens: those a socket is there to give.
func (s *secrets) refreshTokenIn(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for piece, kind := range s.pieces {
		if kind != "a JWT" && strings.Contains(text, piece) {
			return fmt.Sprintf("%s (%s…)", kind, piece[:8])
		}
	}
	return ""
}

// search looks through every file under dir, its name and its content, and
// returns those that hold a secret, as paths below dir.
func (s *secrets) search(dir string) (found []string, files int, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if s.in([]byte(name)) != "" {
			found = append(found, name+" (its name)")
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		files++
		data, err := os.ReadFile(path)
		if err == nil && s.in(data) != "" {
			found = append(found, name)
		}
		return err
	})
	return found, files, err
}

var issued = regexp.MustCompile(`"(?:refresh_token|access_token|id_token|device_code)":"([^"]+)"`)

// witness reads what the issuer hands out.
type witness struct {
	http.ResponseWriter
	secrets *secrets
	sent    []byte
}

func (w *witness) Write(p []byte) (int, error) {
	w.sent = append(w.sent, p...)
	for _, m := range issued.FindAllSubmatch(w.sent, -1) {
		w.secrets.add(string(m[1]))
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }
