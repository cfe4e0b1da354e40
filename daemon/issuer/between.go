package issuer

import (
	"fmt"
	"net/http"
)

// gone are the statuses of an address at which there is no such endpoint, or no more.
func gone(status int) bool {
	return status >= 300 && status < 400 || status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusGone
}

// between says that it was not, for certain, the issuer who answered.
func between(status int) string {
	return fmt.Sprintf("something between this machine and the issuer answers in its place (status %d)", status)
}
