package layout

import (
	"os"

	"golang.org/x/sys/windows"
)

// renameNew renames temp to dest, which must not be there: an fs.ErrExist.
func renameNew(temp, dest string) error {
	from, err := windows.UTF16PtrFromString(temp)
	if err != nil {
		return err
	}
	to, err := windows.UTF16PtrFromString(dest)
	if err != nil {
		return err
	}
	// Without MOVEFILE_REPLACE_EXISTING nothing is replaced.
	if err := windows.MoveFileEx(from, to, windows.MOVEFILE_WRITE_THROUGH); err != nil {
		return &os.LinkError{Op: "rename", Old: temp, New: dest, Err: err}
	}
	return nil
}

// syncFolder does nothing: Windows has no such call, NTFS keeps a journal of
// names.
func syncFolder(string) error { return nil }
