package main

// What hints say in the words of this system.
const (
	homeVariable = "USERPROFILE" // names a user's folder
	ofPrivate    = ""            // what is made in the home is its owner's
	writeHint    = "let yourself write there (see: icacls), or set FAL_HOME_DIR to a folder where you can"
	hangHint     = "is its server there? see: net use"
)

// holderHint is how to find who has a file open.
func holderHint(path string) string {
	return "falcred status with FALCRED_SOCKET=" + path + " names it"
}
