//go:build unix && !linux

package layout

// renameNew renames temp to dest, which must not be there: an fs.ErrExist.
func renameNew(temp, dest string) error { return claim(temp, dest) }
