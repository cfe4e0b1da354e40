package falhttp_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"strings"

	"net/http"

	"github.com/falcred/falcred/helper/falhttp"
	"golang.org/x/oauth2"
)

// Requests to fal carry the login's token of the moment; helper.New(os.LookupEnv)
// makes the Client of a real program.
func ExampleTransport() {
	fal, err := startFal()
	if err != nil {
		log.Fatal(err)
	}
	defer fal.stop()

	client := &http.Client{Transport: &falhttp.Transport{Client: fal.Client, Base: fal.Server.Client().Transport}}
	resp, err := client.Post(fal.URL+"/fal-ai/flux", "application/json", strings.NewReader(`{"prompt":"a cat"}`))
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(answer))
	// Output: 200 a cat
}

// What is built on x/oauth2 takes a TokenSource.
func ExampleTokenSource() {
	fal, err := startFal()
	if err != nil {
		log.Fatal(err)
	}
	defer fal.stop()

	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, fal.Server.Client())
	client := oauth2.NewClient(ctx, falhttp.TokenSource(ctx, fal.Client))
	resp, err := client.Get(fal.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	// Output: 200
}
