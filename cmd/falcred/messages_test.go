package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// messagesFile has every text of falcred's that a person may read: to be read as a whole, in the eyes of
// somebody who has never seen the program and whose English is a second language.
const messagesFile = "testdata/messages.list"

// The texts of the sources are those that somebody has read. UPDATE_MESSAGES=1 takes them anew: read what
// has changed then.
func TestMessages(t *testing.T) {
	t.Parallel()
	var now bytes.Buffer
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && notForPeople.MatchString(name):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		texts, err := messagesIn(path)
		if err == nil && len(texts) > 0 {
			fmt.Fprintf(&now, "== %s\n%s\n", name, strings.Join(texts, "\n"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(messagesFile)
	switch {
	case os.Getenv("UPDATE_MESSAGES") != "":
		if err := os.WriteFile(messagesFile, now.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	case err != nil:
		t.Error(err)
	case !bytes.Equal(before, now.Bytes()):
		t.Errorf("texts have changed: UPDATE_MESSAGES=1 go test -run TestMessages ./cmd/falcred takes %s anew, then read the difference", messagesFile)
	}
}

// notForPeople are the folders of what tests alone use.
var notForPeople = regexp.MustCompile(`(^|/)(testdata|testkit|testdaemon|idp|sim|bench|faults|attacks|environments|\.[^/]*)$`)

// aText is what has two words: nothing else is a sentence.
var aText = regexp.MustCompile(`[A-Za-z%][\w%'".,:;)]* \(?[\w%'"-]*[A-Za-z%]`)

// messagesIn are the texts of one file, in its order. What is put together of several is one.
func messagesIn(path string) (texts []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	add := func(text string) {
		text = strings.ReplaceAll(strings.Trim(text, "\n"), "\n", "\n    ")
		texts = append(texts, "  "+strings.ReplaceAll(text, "\x1b", "ESC"))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.Field: // a path, a tag
			return false
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "MustCompile" {
				return false
			}
			if text, ok := logged(n); ok && !aText.MatchString(text) {
				add(text)
			}
		case *ast.BinaryExpr, *ast.BasicLit:
			if text, ok := textOf(n.(ast.Expr)); ok {
				if aText.MatchString(text) {
					add(text)
				}
				return false
			}
		}
		return true
	})
	return texts, nil
}

// logged is the message of a call that logs: it is a text, if of one word.
func logged(call *ast.CallExpr) (text string, ok bool) {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !regexp.MustCompile(`^(Debug|Info|Warn|Error|Log|log)$`).MatchString(f.Sel.Name) {
		return "", false
	}
	for _, arg := range call.Args {
		if lit, is := arg.(*ast.BasicLit); is && lit.Kind == token.STRING {
			return textOf(lit)
		}
	}
	return "", false
}

// textOf is what a string is, with … for what only the running program knows; ok where some of it is written there.
func textOf(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, okLeft := textOf(e.X)
		right, okRight := textOf(e.Y)
		if !okLeft && !okRight {
			return "", false
		}
		return orGap(left, okLeft) + orGap(right, okRight), true
	}
	return "", false
}

func orGap(text string, ok bool) string {
	if !ok {
		return "…"
	}
	return text
}
