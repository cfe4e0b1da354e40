package login

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// eventKinds are the names of all events, as event.go declares them: one that is new has to be
// searched too.
func eventKinds(t *testing.T) (kinds []string) {
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	testkit.Must(t, err)
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "event" {
			kinds = append(kinds, f.Recv.List[0].Type.(*ast.Ident).Name)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// What the search takes of a State for its key, and what it leaves out on purpose: a field that
// is new has to be put into one of the two.
func TestReachableKnowsTheState(t *testing.T) {
	leftOut := map[string]string{
		"Outdated": "it is read at once by whoever made the reading", "fileRev": "the same",
		"Refreshes": "for people", "Forced": "Manager.join's", "Warnings": "for people", "refused": "the same", "Team": "each event of it is met once, in each place", "Teams": "the same", "logins": "counts for these alone",
		"minute": "R7's 300 in a minute", "inMinute": "the same", "reportedAt": "the day after which the hook hears again",
		"Ledger": "as recent, wrong, tip, subject, tipIssued and doubtedOf", "ledgerRev": "as unwritten", "ledgerSaved": "as unwritten", "saveTried": "a minute after which it is written again",
	}
	key := reflect.TypeFor[form]()
	for f := range reflect.TypeFor[State]().Fields() {
		_, inKey := key.FieldByName(f.Name)
		if _, out := leftOut[f.Name]; inKey == out {
			t.Errorf("State.%s: in the key: %t, left out: %t", f.Name, inKey, out)
		}
	}
}
