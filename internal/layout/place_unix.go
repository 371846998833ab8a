//go:build unix

package layout

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// claim is renameNew where the system has no such call: an empty file or folder,
// which cannot be made where something is, holds the place until temp takes it.
// A kill in between leaves it there.
func claim(temp, dest string) error {
	info, err := os.Lstat(temp)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.Mkdir(dest, folderMode)
	} else {
		var f *os.File
		if f, err = os.OpenFile(dest, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode); err == nil { //nolint:gosec // it is to be handed on
			err = f.Close()
		}
	}
	if err != nil {
		return err
	}
	// os.Rename puts no folder in the place of another one, rename(2) puts it in
	// that of an empty one.
	if err := unix.Rename(temp, dest); err != nil {
		return errors.Join(&os.LinkError{Op: "rename", Old: temp, New: dest, Err: err}, os.Remove(dest))
	}
	return nil
}

// syncFolder syncs a folder. File systems that know no such thing say so.
func syncFolder(name string) error {
	f, err := os.Open(name) //nolint:gosec // the folder that was named
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
