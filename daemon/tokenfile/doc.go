// Package tokenfile is the file that a login lives in, $FAL_HOME_DIR/auth0_token, shared
// with the fal CLI and SDK, and the lock beside it, .portalock.
//
// Line 1 is the refresh token, line 2, which may be missing, the access token. Other
// programs (the neighbours, in comments) read, write and delete that file too: in place, and
// sometimes without the lock. So:
//
//   - A reading ([File.Read]) is what was found twice alike, so that a write under way is
//     hardly ever met. It needs no lock. An empty file is told from none: it has a writer at
//     work, and is no logout.
//   - A write leaves the old tokens or the new ones, on the disk, in a file that only its
//     owner can read, and nothing comes between the caller's comparison and the rename. But a
//     file with several hard links, or that is a mount point, is written in place, and a
//     warning says so.
//   - The lock ([Acquire]) is compatible with portalocker's, and is the one that the path
//     names at the moment that [Lock.Confirm] returns. Since neighbours break it, safety
//     rests on the comparison.
//   - Neither file is used where another user could put something in its place.
//   - No error, warning or printed value holds a token.
//
// It knows no issuer and decides nothing: what a content means for a login is for others.
package tokenfile
