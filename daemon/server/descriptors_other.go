//go:build !unix

package server

// maxConnections bounds clients where the system sets no limit (S6).
func maxConnections() int { return 10_000 }
