//go:build system && unix

package providers

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

var (
	formTag   = regexp.MustCompile(`(?s)<form\b.*?</form>`)
	actionIs  = regexp.MustCompile(`\baction="([^"]*)"`)
	inputTag  = regexp.MustCompile(`(?s)<input\b[^>]*>`)
	attribute = regexp.MustCompile(`\b(name|value)="([^"]*)"`)
)

// Approve goes from form to form of oidc-provider as a browser does: the code, its
// confirmation, a name and a password, the consent.
func Approve(t testing.TB, page string) {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar, Timeout: testkit.Patience}
	resp, err := client.Get(page)
	for range 8 {
		testkit.Must(t, err)
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if strings.Contains(string(body), "Sign-in Success") {
			return
		}
		form := formTag.FindString(string(body))
		action := actionIs.FindStringSubmatch(form)
		if action == nil {
			t.Fatalf("a page without a form: %s\n%s", resp.Status, body)
		}
		to, badAddress := resp.Request.URL.Parse(html.UnescapeString(action[1]))
		testkit.Must(t, badAddress)
		resp, err = client.PostForm(to.String(), filled(form))
	}
	t.Fatal("more forms than a login has")
}

// filled is what a person sends with that form.
func filled(form string) url.Values {
	values := url.Values{"login": {"ann"}, "password": {"any"}}
	for _, input := range inputTag.FindAllString(form, -1) {
		has := map[string]string{}
		for _, a := range attribute.FindAllStringSubmatch(input, -1) {
			has[a[1]] = html.UnescapeString(a[2])
		}
		if has["value"] != "" {
			values.Set(has["name"], has["value"])
		}
	}
	return values
}
