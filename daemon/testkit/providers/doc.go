// Package providers starts identity providers that nobody here has written, for tests with
// the build tag system: oidc-provider, which runs in node, and dex, which is built once. Each
// names itself by the address of a proxy of the test's own, and is gone when the test ends.
package providers
