// Package tokenfile is the file that a login lives in, $FAL_HOME_DIR/auth0_token, shared
// with the fal CLI and SDK, and the lock beside it, .portalock.
//
// It promises: a reading is what two looks have found alike, so that a write under way is
// hardly ever met, and an empty file is told from none (F3). A write leaves the old tokens
// or the new, on the disk, in a file that only its owner can read, and nothing comes
// between the caller's comparison and the rename (F2, F5); but a file with several hard
// links, or that is a mount point, is written in place, which is said. The lock is the
// one that the path names, at the moment that [Lock.Confirm] returns, and it is
// compatible with portalocker's (F1); since programs that share the file break it, safety
// rests on the comparison. Neither is followed to where another user could have put
// something (F6). No error, warning or printed value holds a token.
//
// It knows no issuer and decides nothing: what a content means for a login is for others.
package tokenfile
