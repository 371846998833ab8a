//go:build unix

package layout

// Claim is what puts a name in its place where the system has no call for it.
func Claim(temp, dest string) error { return claim(temp, dest) }
