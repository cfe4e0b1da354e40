package issuer

import (
	"fmt"
	"net/http"

	"github.com/falcred/falcred/daemon/internal/httpx"
)

// gone are the statuses of an address at which there is no such endpoint, or no more.
func gone(status int) bool {
	return status >= 300 && status < 400 || status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusGone
}

// nothingThere is an answer that says so, whoever it is of.
type nothingThere struct {
	what string
	said httpx.Answer
}

func (n nothingThere) Error() string {
	return fmt.Sprintf("there is no %s (status %d)", n.what, n.said.Status)
}
func (n nothingThere) Unwrap() error { return n.said }
