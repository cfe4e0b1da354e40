// Package protocol is wire version 1 between falcred, the credential daemon for
// fal.ai logins, and its clients. This text is its specification; the package
// holds what both ends share of it: framing and payloads. The rules that must not
// differ between them are beside it: which home, socket, server and key (package env),
// and which peer (package peer).
//
// # Where
//
// The daemon listens on a Unix stream socket. FALCRED_SOCKET names it; without
// that a client tries, in this order,
//
//	$FAL_HOME_DIR/falcred.sock       FAL_HOME_DIR is ~/.fal by default
//	$XDG_RUNTIME_DIR/falcred.sock    for homes that cannot hold a socket
//
// A path that is too long for a socket (107 bytes on Linux) is none of these places. A
// client goes on to the second one after any error but a refusal (EACCES, EPERM) and one of
// its own (EMFILE): the file system of a home can be dead, or hang, whose daemon lives.
//
// The second place is shared by all homes of a user, so a client that finds a
// daemon there compares the Home of its status with its own before it uses the
// daemon's credentials (Sockets and Home of package env).
//
// # Security
//
// Both ends ask the kernel who is at the other (SO_PEERCRED on Linux,
// LOCAL_PEERCRED on macOS, a pipe's owner and its client's token on Windows) before
// the first byte: the daemon serves, and a client speaks to, its own effective
// user and root only, and where that cannot be known it hangs up (Check of package peer).
// A refused peer may be told the error denied, or nothing. There is no other
// authentication and no encryption: who may connect is who may read the file.
//
// What a daemon says is not to be trusted by a terminal: it can be another user's whom
// FALCRED_ALLOW_UIDS names, or at the far end of a forwarded socket. A client makes texts
// printable before it shows them ([Printable]; [ParseAnswer] does it), refuses a secret or a
// header with a character that is not graphic, and takes no header but X-Fal-* from it, so
// that none names a Host, a Cookie or a Transfer-Encoding. Client of package helper does.
//
// Refresh tokens never leave the daemon. Messages of errors never quote a
// payload. Types of this package that hold a secret do not print it ([Secret]).
//
// # Framing
//
// Both directions are lines of UTF-8 ended by LF; CRLF is accepted. A line is
// at most 64 KiB, its LF included ([MaxLine]). The longer line is answered with
// bad_request and the connection is closed, since where the next request
// begins is unknown; a line cut off by the end of the stream is dropped.
//
//	request = verb [ SP payload ] LF
//	verb    = lower-case letter, then letters, digits and "-"; at most 32
//	payload = UTF-8 without control bytes (0x00 to 0x1f, 0x7f)
//	answer  = JSON object LF
//
// Spaces around the payload do not count. A control byte is bad_request at both
// ends, in a payload as well as in the strings of a JSON payload once they are
// decoded, so nothing that a client is given can become a second request. An
// empty line and a malformed verb are bad_request too; the connection goes on.
//
// Of the strings in an answer, what is not graphic is escaped (\u009b), so that no terminal
// that shows the line is commanded by it.
//
// JSON is I-JSON (RFC 7493), so that any two readers see the same in it: no member
// of an object twice, no half of a surrogate pair; a value nests at most 100 deep.
//
// The payload is what a docker credential helper reads on standard input, and
// the answer what it prints, so this works by hand:
//
//	printf 'get https://fal.run\n' | nc -NU ~/.fal/falcred.sock
//
// # Verbs
//
//	verb     payload                              answer
//	get      a server, or a query object          a credential
//	list     none                                 {"https://fal.run":"Bearer",...}
//	store    {"ServerURL","Username","Secret"}    {}
//	erase    a server, or an object               {"Revoked":true}
//	status   none                                 the daemon's state, no secrets
//	version  none                                 {"Version":"...","Protocol":1}
//	watch    as get                               a credential now, and one at each change
//	stop     none                                 {}
//
// A payload where none is expected is ignored. Another verb is bad_request,
// and the connection goes on.
//
// get takes a server as a URL or a bare host, or, when the first byte is "{",
// an object ([Query]):
//
//	ServerURL  string, required
//	ForceUser  boolean: answer with the login even if the daemon has a key
//	MinValid   whole seconds, 0 to 31622400: the token should be valid that
//	           long; best effort, see below
//	Rejected   string: this secret got a 401
//	Team       string: the nickname of the team that requests are attributed
//	           to; "" is the login's own account, and without it the fal
//	           config says
//
// Names are matched exactly. A member that appears twice, a value of another
// type, or anything after the object is bad_request; an unknown member is
// ignored. A missing or empty ServerURL is no_server_url.
//
// If Rejected is the current token the daemon refreshes before it answers;
// else it answers the current one at once. MinValid refreshes when the token
// expires earlier. All clients together can force at most one refresh per
// access token, and none within 5 minutes of the last one; beyond that both
// members are answered with what there is.
//
// The answer to get is a [Credential]:
//
//	ServerURL  string, as asked for, without surrounding white space
//	Username   "Key" or "Bearer"
//	Secret     string
//	Expires    RFC 3339, only where there is an expiry
//	Headers    object of strings: header fields to send besides
//	           Authorization; only where there are some (a team's X-Fal-User-Id)
//	Team       string, as asked for; only where it was
//
// Username, a space and Secret are the value of the Authorization header.
//
// A team that the login is not in, or whose id is not known yet, is team_unresolved: no request
// is attributed to another account instead. The daemon asks fal's REST host for all teams of the
// login at once, has one such question under way, and believes for 5 minutes that what is not in
// the answer is no team. A key is for its own account, so that its answer has no Team. A daemon
// that knows no Team ignores it. So a client that asked for one and gets no equal one has no
// credential ([Credential.IsFor]), but for a key where its environment alone named the team:
// FALCRED_TEAM is about the login, as the fal config is (Team of package env).
//
// list answers one member for each server that is answered for, with the
// Username of its credential, and {} when there is no credential.
//
// store adopts a refresh token as the login ([Login]). Username is "<token>"
// ([TokenUsername]), Secret the refresh token, ServerURL one that is answered
// for. The daemon proves the token by a refresh first. A key is bad_request.
// Another account's token while somebody is logged in, or after an erase, a token that
// the issuer does not accept, and a server that is not answered for are denied. (After an
// erase another account comes by the token file: `falcred login`.) Where somebody is
// logged in and the issuer's keys do not verify whose the new login is, or whose the
// current one is, the error is unavailable, and the token that was offered is used up.
// An empty Username is bad_request with docker's message "no credentials username".
// Stores and erases take turns, an erase first. After one that was refused comes a pause
// of 1 s, that grows to 10 s, for all clients; who waits for 30 s is told unavailable.
//
// erase logs out: the login is revoked at its issuer, then deleted. While the
// issuer cannot be reached nothing is done, and the error is unavailable, unless
// the payload is an object ({"ServerURL":...,"Local":true}) that leaves the
// issuer out. Revoked says whether the issuer was told: one without a revocation
// endpoint (RFC 7009 is optional) cannot be. If the login is gone and only the
// team could not be unset, the error is internal and says so. It acts on fal's
// own hosts only; for any other server the error is not_found.
//
// status answers [Status], version [VersionAnswer]. What to do about LastError is in
// the status as Hint and, with the same text, as Mend: version 1 began with that name,
// and a daemon before Hint has it alone. Clients read Hint, and Mend where there is none.
//
// watch answers as get does, at once and again at each change: after each
// refresh, login, logout and loss of the login. An answer may be an error, and
// the watch goes on. The connection belongs to it until the client hangs up;
// further requests on it are not read.
//
// stop ends the daemon, as SIGTERM does: it answers {}, and what was asked before, on
// this connection and on others; it finishes a refresh that is under way, removes its
// socket, and is gone within 20 s. A client that has asked ahead has 5 s to take its
// answers, 2 s at the second socket, and what waited for the refresh one more. The
// daemon writes down the number of the process that asked. An older daemon answers
// bad_request.
//
// Clients ignore unknown members of every answer. Protocol rises only when that
// is not enough.
//
// # For reading only
//
// FALCRED_SHARE_SOCKET names a second socket, for others: containers, and machines
// that it is forwarded to. Besides the daemon's own user and root it serves the
// users whose numbers FALCRED_ALLOW_UIDS lists, never the overflow uid 65534 (but
// for a daemon that is that user itself: KnownUser of package peer). It
// speaks the same lines, with these differences: store, erase and stop are denied, and
// so are a Rejected and a Team; MinValid is taken for 0; the credential is the login's, never
// a key of the daemon's environment; status leaves out paths, the account, and
// texts that could name them; list names fal's own hosts; an error has one text for its
// code. A user may have an equal part of its connections, and 1,000 answers a second.
// A client whose own FALCRED_ALLOW_UIDS lists the
// server's user may read from it (Check of package peer, AllowUIDs of package env).
//
// # Errors
//
// An error is {"Error":"message","Code":"code"}, and an object with both members
// is always an error. Programs look at the code:
//
//	not_found        no credential for that server, or a server that is not
//	                 answered for; the message is always
//	                 "credentials not found in native keychain"
//	no_server_url    the message is always "no credentials server URL"
//	login_required   the login has ended: log in again
//	unavailable      the token has expired and there is no new one yet, or the
//	                 daemon cannot do this now: try again later
//	team_unresolved  the team's id could not be found: try again later
//	bad_request      the request is at fault
//	denied           this peer may not ask, or the daemon will not do this
//	internal         anything else; an unknown code means this too
//
// The message is one line for people, perhaps followed by LF (escaped, within
// the JSON string) and a line that says what to do.
//
// # Pipelining, concurrency and time
//
// A connection carries any number of requests, answered in order. A client may
// write a request before it has read the last answer. Requests of one
// connection wait for each other, those of different connections do not: whoever
// must not wait for somebody else's forced refresh opens a second one.
//
// A request must arrive whole within 10 s of its first byte ([RequestTimeout]),
// else the connection is closed. A connection on which nothing was begun may
// stay open. An answer that nobody reads for 10 s closes its connection
// ([AnswerTimeout]). After a malformed request the next one is read a little
// later, up to 100 ms after many.
//
// list, status, version and stop are answered at once: a client that has waited 5 s need not
// go on. get, watch, store and erase may take as long as a refresh, a logout and a
// neighbour's lock do, some 45 s; whether the daemon lives meanwhile, version on another
// connection says.
//
// A daemon that cannot start for a mistake of configuration answers every request with
// internal, and says what has to be corrected, for half a minute.
//
// A client that hangs up cancels nothing that others wait for. A connection
// that closes before an answer says nothing about the request: get, list,
// status and version may be repeated, store, erase and stop may have happened.
//
// # Servers
//
// Answered for are fal.run, fal.ai and their subdomains, over https or wss on
// port 443, or as a bare host, perhaps with ":443"; the hosts that FAL_RUN_HOST,
// FAL_QUEUE_RUN_HOST, FAL_REST_HOST, FAL_GRPC_HOST and FAL_HOST name; what fal's
// programs derive from these (ws. and FAL_RUN_HOST; queue. and FAL_RUN_HOST, unless
// FAL_QUEUE_RUN_HOST is set; rest for the api that FAL_GRPC_HOST, else FAL_HOST,
// starts with, unless FAL_REST_HOST is set); and FALCRED_SERVERS, a
// comma-separated list of host, host:port, https://host:port and, for loopback
// only, http://host:port. All but the first two are exact: no subdomains, that port
// only. From a name without a dot, or an address, nothing is derived.
// Path, query and fragment of a URL do not matter. White space around it is
// trimmed. A URL that two parsers could read differently is none of these: with
// userinfo, a backslash, a percent-escape in the host, a trailing dot, an empty
// label or port, or a host that is not plain ASCII (Servers of package env).
//
// Both ends apply this, each with its own environment: a client does not ask
// for a server that fails it, and does not hand out its own key for one either.
//
// # Keys
//
// Unless FAL_FORCE_AUTH_BY_USER is exactly "1", FAL_KEY is the credential, else
// FAL_KEY_ID and FAL_KEY_SECRET joined by ":", else the login; empty means unset
// (FindKey of package env). A client applies this to its own environment first, where a
// key answers with no daemon, and sends ForceUser where the variable says so
// (Client.Get of package helper does).
// The daemon applies it to its own for every request without ForceUser.
package protocol
