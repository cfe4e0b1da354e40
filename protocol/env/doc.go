// Package env is what falcred and its clients read from an environment: where the
// login and the sockets are ([Home], [Sockets]), which servers are answered for
// ([Servers]), and which key comes before the login ([FindKey]). Both ends apply the
// same rules, each to its own environment; the specification is that of package
// protocol.
//
// Nothing here is remembered, and nothing is read but what is asked for. An error is a
// *[protocol.Error] whose second line, if any, says what to do.
package env
