package layout

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// renameNew renames temp to dest, which must not be there: an fs.ErrExist.
func renameNew(temp, dest string) error {
	err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, dest, unix.RENAME_NOREPLACE)
	if err == nil {
		return nil
	}
	// renameat2(2): not every file system knows the flag, nor every kernel the call.
	unknown := []error{unix.EINVAL, unix.ENOSYS, unix.ENOTSUP}
	if slices.ContainsFunc(unknown, func(one error) bool { return errors.Is(err, one) }) {
		return claim(temp, dest)
	}
	return &os.LinkError{Op: "rename", Old: temp, New: dest, Err: err}
}
